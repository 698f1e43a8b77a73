// What a gateway knows of a wallet before it asks: the customer's subscriptions and budgets, as Redis last told them.
//
// Kept by wallet, most recently learned last. Being wrong costs a round trip and no more: every call names the version
// that it goes by, and the script refuses another one with the right text.
import type { WalletConfig } from '../records.ts';

export type Configs = {
  /** At once; a wallet that nobody has told of has none. */
  of: (walletId: string) => WalletConfig;
  learn: (walletId: string, version: number, text: string) => void;
};

export const noConfig: WalletConfig = { version: 0, subscriptions: [], budgets: [] };

/** Some 100 MB of customers with a few budgets each. */
const walletsMax = 100_000;

export function openConfigs(): Configs {
  const configs = new Map<string, WalletConfig>();
  return {
    of: (walletId) => configs.get(walletId) ?? noConfig,
    learn: (walletId, version, text) => {
      configs.delete(walletId);
      if (version === 0) return;
      configs.set(walletId, parseConfig(version, text));
      const oldest = configs.size > walletsMax ? configs.keys().next().value : undefined;
      if (oldest !== undefined) configs.delete(oldest);
    },
  };
}

/** The JSON is our own. */
export function parseConfig(version: number, text: string): WalletConfig {
  return { ...noConfig, ...(JSON.parse(text) as Partial<WalletConfig>), version };
}

/** What Redis keeps; the version stands beside it. */
export function configText({ subscriptions, budgets }: WalletConfig): string {
  return JSON.stringify({ subscriptions, budgets });
}
