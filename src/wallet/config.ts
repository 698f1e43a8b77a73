// What a gateway knows of a wallet before it asks: the customer's subscriptions, budgets and scopes of grants, as Redis last told
// them.
//
// Kept by wallet, most recently learned last. Being wrong costs a round trip and no more: every call names the version
// that it goes by, and the script refuses another one with the right text.
import type { WalletConfig } from '../records.ts';

/** A wallet as a caller names it: in an environment that it may not be in. */
type Named = { environmentId: string; walletId: string };

export type Configs = {
  /** At once; a wallet that nobody has told of has none. */
  of: (wallet: Named) => WalletConfig;
  learn: (wallet: Named, version: number, text: string) => void;
};

export const noConfig: WalletConfig = { version: 0, subscriptions: [], budgets: [], scopes: [] };

/** Some 100 MB of customers with a few budgets each. */
const walletsMax = 100_000;

export function openConfigs(): Configs {
  const configs = new Map<string, WalletConfig>();
  return {
    of: (wallet) => configs.get(nameOf(wallet)) ?? noConfig,
    learn: (wallet, version, text) => {
      const name = nameOf(wallet);
      configs.delete(name);
      if (version === 0) return;
      configs.set(name, parseConfig(version, text));
      const oldest = configs.size > walletsMax ? configs.keys().next().value : undefined;
      if (oldest !== undefined) configs.delete(oldest);
    },
  };
}

const nameOf = ({ environmentId, walletId }: Named): string => environmentId + walletId;

/** The JSON is our own. */
export function parseConfig(version: number, text: string): WalletConfig {
  return { ...noConfig, ...(JSON.parse(text) as Partial<WalletConfig>), version };
}

/** What Redis keeps; the version stands beside it. */
export function configText({ subscriptions, past, budgets, scopes }: WalletConfig): string {
  return JSON.stringify({ subscriptions, past, budgets, scopes });
}

/**
 * With the subscriptions of an instant in the past. A product that the customer was not subscribed to then, but is now, stays as it
 * is now: who tells of usage before the subscription tells of it because there is one.
 */
export function configAt(config: WalletConfig, atMs: number): WalletConfig {
  const then = (config.past ?? []).filter(({ fromMs, tillMs }) => fromMs <= atMs && atMs < tillMs);
  if (then.length === 0) return config;
  const others = config.subscriptions.filter((now) => !then.some(({ productId }) => productId === now.productId));
  return { ...config, subscriptions: [...then, ...others] };
}
