// What a call goes by, the catalog and the wallet's configuration, and the answer that one of them is another by now.
import type { WalletConfig } from '../records.ts';
import type { Spender } from './budgets.ts';
import type { SentLine } from './lines.ts';

export type Known = {
  /** Of the catalog that priced the request; undefined: it named its amount. */
  catalogVersion: number | undefined;
  /** As configs.of has it. */
  config: WalletConfig;
  /** What Redis's clock shows: budgets count in the windows of this instant. */
  redisMs: number;
  spender: Spender;
  /** Kept with the answer and given back with it: what was priced, as JSON. */
  told: string;
  /** What counts over a period: it comes on top of the amounts. */
  lines?: readonly SentLine[];
};

/** Nothing was done. With what Redis has, which may be newer than what the caller reads elsewhere, it is asked again. */
export type Stale = {
  status: 'stale';
  catalogVersion: number;
  configVersion: number;
  configText: string;
  redisMs: number;
};

/** Nothing prices the request by what Redis has, and it was not answered before: nothing was done. */
export type Unpriced = { status: 'unpriced' };

/** A line that counts over a period costs more than one amount may be: which, from 1. */
export type TooLarge = { status: 'too_large'; lineNo: number };

export function staleOf(reply: {
  standingVersion: number;
  standingConfig: number;
  redisMs: number;
  configText: string;
}): Stale {
  const { standingVersion: catalogVersion, standingConfig: configVersion, redisMs, configText } = reply;
  return { status: 'stale', catalogVersion, configVersion, redisMs, configText };
}
