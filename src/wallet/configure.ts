// Tell a wallet its customer's subscriptions and budgets: Postgres has them by then, and the next request goes by them.
import type { WalletConfig } from '../records.ts';
import { callPresent } from './call-present.ts';
import { configText } from './config.ts';
import { configureScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target, Trouble } from './target.ts';

/** `version`: the one that the wallet has now; a newer one than this may have been there. Safe to repeat. */
export async function configureWallet(
  store: Store,
  target: Target,
  config: WalletConfig,
): Promise<{ status: 'configured'; version: number } | Trouble> {
  const args = { version: config.version, configText: configText(config) };
  const reply = await callPresent(store, target, configureScript, args);
  return reply.status === 'configured' ? { status: reply.status, version: reply.configVersion } : reply;
}
