// Holds a wallet as it is stored against the one that its entries make.
import { walletOf } from '../../src/wallet/keys.ts';
import { type Balances, differences, type Grant, type Hold, type RebuiltWallet } from './rebuilt-wallet.ts';

export type StoredWallet = {
  environmentId: string;
  walletId: string;
  head: { customerId: string; partition: number; version: bigint; freeze: string } | undefined;
  accounts: Map<number, Balances>;
  grants: Map<number, Grant>;
  holds: Map<string, Hold>;
};

/** The first difference that is found. */
export function compareWallet(stored: StoredWallet, rebuilt: RebuiltWallet): string | undefined {
  const { head, environmentId, walletId } = stored;
  if (!head) return 'is not there';
  const own = walletOf(environmentId, head.customerId);
  if (own.walletId !== walletId) return `is not the wallet of customer ${head.customerId}`;
  if (own.partition !== head.partition) return `is in partition ${head.partition}, and belongs in ${own.partition}`;
  if (head.version !== rebuilt.version) return `is at version ${head.version}, and has ${rebuilt.version} entries`;
  if (head.freeze !== rebuilt.freeze) return `freeze is ${head.freeze}, by its entries ${rebuilt.freeze}`;
  return (
    compareAll('account', stored.accounts, rebuilt.accounts) ??
    compareAll('grant', stored.grants, rebuilt.grants) ??
    compareAll('open hold', stored.holds, rebuilt.holds)
  );
}

function compareAll<K, T extends object>(noun: string, stored: Map<K, T>, rebuilt: Map<K, T>): string | undefined {
  for (const [key, expected] of rebuilt) {
    const found = stored.get(key);
    if (!found) return `${noun} ${String(key)} is not there`;
    const name = differences<T>(found, expected)[0];
    if (name !== undefined)
      return `${noun} ${String(key)}: ${name} is ${String(found[name])}, by its entries ${String(expected[name])}`;
  }
  for (const key of stored.keys()) if (!rebuilt.has(key)) return `${noun} ${String(key)} is in no entry`;
  return undefined;
}
