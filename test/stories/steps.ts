// The verbs of stories: the same for the tables in example tests and for random ones.
//
// Holds and grants have names; a name is also the caller's key, so saying a line twice is a retry, and saying it
// otherwise under the same name is a conflict. The other verbs are retries only where they share a `key`.
import type { FreezeName, PurposeName } from '../../src/records.ts';
import type { Mode } from '../model/decide.ts';
import type { StoryPeriod } from '../model/budgets.ts';
import type { Rate } from '../model/fallback.ts';
import type { Due } from '../model/settle.ts';
import type { AskedLeg } from '../model/wallet.ts';
import type { StoryPriceName, StoryUse } from './prices.ts';

/** An event's lines by the scopes that cover them: so much each, the last one the rest; in other assets as the first one. */
export type Covered = readonly { atoms: bigint; scopes: readonly number[] }[];

/**
 * A line that falls back: so much of an asset, or, of what counts over a period, the one so named by its place from 1; the rest of it
 * in other assets, in this order.
 */
export type Falling = { asset: number; atoms: bigint; use: number; scopes: readonly number[]; rates: readonly Rate[] };

export type Step =
  | {
      verb: 'grant';
      name: string;
      purpose: PurposeName;
      amount: bigint;
      asset: number;
      priority: number;
      /** What it may be spent on; 0: anything. */
      scope: number;
      /** From now; undefined: in force at once, for ever. */
      fromMs: number | undefined;
      untilMs: number | undefined;
      /** When it ends, so many percent live on, at most so much, for so long: undefined, for ever. */
      rolls: { percent: number; most: bigint; forMs: number | undefined } | undefined;
    }
  /** `again`: the first attempt's outcome is unknown. */
  | {
      verb: 'hold';
      name: string;
      amount: bigint;
      asset: number;
      mode: Mode;
      ttlMs: number;
      again: boolean;
      /** What goes with it in other assets. */
      legs: AskedLeg[];
      covered: Covered | undefined;
      /** Who spends: budgets may be of somebody. */
      by: string | undefined;
      /** What counts over a period. */
      uses: StoryUse[];
      /** Comes on top of the amounts. */
      falling: Falling[];
    }
  | {
      verb: 'settle';
      hold: string;
      amount: bigint;
      /** In other assets; what is in the hold's own is left out. */
      dues: Due[];
      covered: Covered | undefined;
      uses: StoryUse[];
      falling: Falling[];
      part: boolean;
      onExcess: 'charge' | 'cap' | 'reject';
      key: string | undefined;
      /** The asset that the hold's id says, where somebody changed it. */
      as: number | undefined;
    }
  | { verb: 'release'; hold: string; key: string | undefined; as: number | undefined }
  | {
      verb: 'extend';
      hold: string;
      amount: bigint;
      ttlMs: number;
      again: boolean;
      key: string | undefined;
      as: number | undefined;
    }
  | {
      verb: 'charge';
      amount: bigint;
      asset: number;
      mode: Mode;
      again: boolean;
      key: string | undefined;
      legs: AskedLeg[];
      covered: Covered | undefined;
      by: string | undefined;
      uses: StoryUse[];
      falling: Falling[];
    }
  /** The price's other version. */
  | { verb: 'publish'; price: StoryPriceName }
  /** A new budget; one that there is gets this limit, thresholds and enforcement, and keeps the rest. */
  | {
      verb: 'budget';
      name: string;
      limit: bigint;
      period: StoryPeriod;
      of: string | undefined;
      asset: number;
      alertOnly: boolean;
      /** Of spending, in atoms, smallest first. */
      thresholds: bigint[];
    }
  | { verb: 'drop'; budget: string }
  /** Bought credit is set aside: of its own grant, or, up to, of whatever there is. */
  | { verb: 'aside'; name: string; grant: string; amount: bigint; mode: 'strict' | 'up_to' }
  /** What was set aside is taken, or, where there is nothing to take, free again. */
  | { verb: 'take'; hold: string; grant: string; amount: bigint; key: string | undefined }
  | { verb: 'void'; grant: string; key: string | undefined }
  | { verb: 'freeze'; by: FreezeName; key: string | undefined }
  | { verb: 'unfreeze'; by: FreezeName; key: string | undefined }
  /** The sweep: what list_due names is expired and applied. */
  | { verb: 'sweep' }
  | { verb: 'apply_due' }
  | { verb: 'wait'; ms: number }
  /** Time moves to a hold's deadline, or to where a grant starts or ends, and a little further or less far. */
  | { verb: 'to'; name: string; offsetMs: number }
  /** Redis loses the wallet, and gets it again from the entries alone. */
  | { verb: 'reload' };

/** What a line of an example says of the reply, and of the entries that came with it. */
export type Expectation = { words: string[]; kinds: string[] | undefined };
export type Line = { step: Step; expected?: Expectation };
