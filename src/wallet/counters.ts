// Which counters of a wallet can change nothing any more, so that they leave Redis in time (lua/drop_counters.lua): a wallet is as
// large as what it is configured to count, not as all that it ever counted. The ledger keeps them.
import { codes } from '../codes.gen.ts';
import type { Counter, WalletConfig } from '../records.ts';
import { readUsageBuckets } from './usage-buckets.ts';

/** Of a budget that is not in the configuration, whose number is given once; of a price whose windows ended over a day ago. */
export function isOver({ name, packed }: Counter, config: WalletConfig, clockMs: number): boolean {
  if (name.startsWith('b')) return config.version > 0 && !config.budgets.some(({ no }) => name === `b${no}`);
  if (!name.startsWith('u')) return false;
  return readUsageBuckets(packed).every(({ tillMs }) => tillMs <= clockMs - codes.limit.usage_keep_ms);
}
