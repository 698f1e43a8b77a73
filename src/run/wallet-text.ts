// Two pictures of a wallet side by side, as text for people; what differs is marked.
import type { Asset, LedgerWallet } from '../records.ts';
import { formatAmount } from '../units.ts';
import { walletLines } from '../wallet/stored-wallet.ts';

/** The assets of an environment, by number. */
export type Assets = ReadonlyMap<number, Asset>;

const amounts = /(available|held|overage|scheduled|remaining|amount|settled|released)$/;
const ownerOf = /^(asset|grant|hold) \S+/;

export function sideBySide(redis: LedgerWallet | undefined, ledger: LedgerWallet, assets: Assets): string {
  const left = redis ? readable(redis, assets) : new Map<string, string>();
  const right = readable(ledger, assets);
  const rows = [...new Set([...left.keys(), ...right.keys()])].map((name) => {
    const there = left.get(name) ?? '-';
    const here = right.get(name) ?? '-';
    return [redis && there !== here ? '≠' : ' ', name, there, here] as const;
  });
  const wide = (column: 1 | 2) => Math.max('Redis'.length, ...rows.map((row) => row[column].length));
  const [names, values] = [wide(1), wide(2)];
  const line = ([mark, name, there, here]: readonly [string, string, string, string]) =>
    `${mark} ${name.padEnd(names)}  ${there.padEnd(values)}  ${here}`;
  return [line([' ', '', 'Redis', 'ledger']), ...rows.map(line)].join('\n');
}

function readable(wallet: LedgerWallet, assets: Assets): Map<string, string> {
  const lines = walletLines(wallet);
  return new Map(
    [...lines].map(([name, value]) => {
      if (name.endsWith('AtMs')) {
        return [name.slice(0, -'Ms'.length), value === 'undefined' ? 'never' : new Date(Number(value)).toISOString()];
      }
      const owner = ownerOf.exec(name)?.[0];
      if (owner === undefined || !amounts.test(name)) return [name, value];
      const number = owner.startsWith('asset ') ? owner.slice('asset '.length) : lines.get(`${owner} asset`);
      const asset = assets.get(Number(number));
      return [name, asset ? `${formatAmount(BigInt(value), asset.scale)} ${asset.code}` : `${value} atoms`];
    }),
  );
}
