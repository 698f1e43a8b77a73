// Every limit, why it is what it is, and how limits that depend on each other relate.
import { codes } from './codes.gen.ts';

/** Slices of wallets; all keys of one share a Redis slot. Never changes: a wallet's id says its partition. */
export const partitionsCount = 256;

/** How a drain divides the partitions. */
export const lanesCount = 8;

/** Of one gateway or worker. Each has a dozen connections to Postgres at most, and Redis decides on one core, which a few fill. */
export const processesMax = 64;

/** One Redis command: longer than any pause that is not a fault, short enough that a caller still waits. */
export const commandTimeoutMs = 1_000;

/** A caller's key is remembered this long; what adds credit, for ever (in Postgres). */
export const operationKeepMs = 3_600_000;

/** Our own operation ids serve only our own repeat after an unknown outcome. */
export const ownOperationKeepMs = 60_000;

/** Class `replicated`: a replica that has not confirmed by then is not waited for. A call may stand behind another's wait. */
export const replicaWaitMs = 500;

/** What a call needs beside the wait that it stands behind. */
const replicaWaitMarginMs = 250;

/** A replica that has said nothing for longer is none. It speaks every second; Redis's own min-replicas-max-lag is the same. */
export const replicaLagMaxSeconds = 10;

/** The oldest entry that may wait for the ledger before new work is refused, and where it is taken on again. */
export const outboxAgeMaxMs = 1_800_000;
export const outboxAgeLiftedMs = 1_350_000;

/** The same for what Redis may use of its maxmemory: what is left must do for settles, releases and expiry. */
export const memoryShareMax = 0.8;
export const memoryShareLifted = 0.75;

/** Work that was refused may come again after this: neither memory nor age mend within a second. */
export const backpressureRetryAfterMs = 5_000;

/** How long a look-up waits for the ledger to have what Redis has already let go of. */
export const ledgerWaitMs = 2_000;

/** Gateways tell the drain about new entries at most this often. */
export const nudgeIntervalMs = 250;

/**
 * A worker drains a busy lane this often. A batch costs Postgres and the worker some milliseconds before its first entry,
 * so smaller intervals leave less for decisions; larger ones show in how soon an entry is there (a second at most).
 */
export const laneTurnMs = 500;

/**
 * Batches that a worker brings to Postgres at the same time: it works on one while Postgres writes the other. More would
 * take the processor from what decides, where they share it, and bring nothing.
 */
export const batchesAtOnce = 2;

/** The watchdog drains a lane that has waited this long, BullMQ or not. */
export const drainAgeMaxMs = 1_000;

/** Overdue holds get their money back within this, unless very many are due at once. */
export const sweepIntervalMs = 500;

/**
 * Calls by which a sweep expires holds that are under way in one Redis: who asks for money while a hundred thousand holds are due shares it with
 * one, and not with hundreds. A decision that lacks the money has its own wallet's holds expire first.
 */
export const sweepsAtOnce = 1;

/**
 * Wallets that reconcile compares in a second, all workers together: a million within six hours. Each costs Postgres a
 * handful of look-ups by key and Redis one reading, one wallet after the other, so that decisions never notice.
 */
export const reconcileWalletsPerSecond = 50;

/** Where wallets are few, a pass begins at most this often: looking at the same ten all day long would prove no more. */
export const reconcilePassPauseMs = 60_000;

/** Gateways look at Redis this often: fences, clock, and revoked keys, which are refused everywhere within 5 s. */
export const healthIntervalMs = 1_000;

/** Postgres away: keys that were seen stay good this long. */
export const keyCacheMs = 900_000;

/** Not ready when Redis's clock and ours are further apart. */
export const clockSkewMaxMs = 5_000;

export const bodyBytesMax = 65_536;
/** Of a version's prices: ten thousand of some 400 bytes. Reading them keeps a gateway busy for up to a second. */
export const catalogBodyBytesMax = 4 * 1024 * 1024;
export const bodyDepthMax = 16;
export const metadataBytesMax = 4_096;
/** Of one batch: they go to Redis together, whose one thread they keep from others for some 10 ms. */
export const eventsMax = 100;
/** How late an event of the past may come: whoever reports by the month has a few days left. */
export const eventAgeMaxMs = 35 * 86_400_000;
/** Clocks that run ahead of Redis's. */
export const eventAheadMaxMs = 300_000;
export const holdTtlMs = { least: 1_000, most: 86_400_000, default: 60_000 } as const;
export const page = { least: 1, most: 100, default: 50 } as const;

/** Active ones of a customer. Its wallet carries them, and each may price an event. */
export const subscriptionsMax = 50;
/** The latest ones that events of the past may be of travel with the wallet, too: some 100 bytes each. */
export const pastSubscriptionsMax = 100;
/** Standing ones of a customer. Its wallet carries them; those that match a request are checked and counted in the script. */
export const budgetsMax = 64;
export const budgetAlertsMax = 8;
/** Of a budget's limit. A threshold must stay below where counts stand still. */
export const alertShareMax = 4;
/** Labels that a budget names, and all that it matches by: the text of 64 travels with the wallet. */
export const matchLabelsMax = 8;
export const matchBytesMax = 1_024;
/** A version of a product: the price list of every model there is, several times over. */
export const pricesMax = 10_000;
/** Of one price. A script walks them, so they bound what it may take. */
export const tiersMax = 100;
/** Different `quantity` fields of one event type in a version: each that matches is a line. */
export const quantitiesMax = 32;
/** Different sets of dimension names for one of them: each is a look-up when an event is priced. */
export const shapesMax = 32;
export const dimensionsMax = 8;
export const fallbacksMax = 4;
/** What was rolled over expires so many renewals later at most. */
export const rolloverPeriodsMax = 120;
/** In one list of a grant's scope: gateways compare each event with all scopes of its wallet. */
export const scopeValuesMax = 32;
/** `per` and `package_size`, and what the `per`s of a price's tiers have in common: what Lua divides by exactly. */
export const divisorMax = 1_000_000_000;

function assertLimit(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits.ts: ${relation}`);
}

assertLimit(
  outboxAgeMaxMs < operationKeepMs,
  'an entry must reach the ledger while Redis still remembers its operation: else a credit could be applied twice',
);
assertLimit(outboxAgeMaxMs < codes.limit.late_keep_ms, 'a late settle must be in the ledger before Redis forgets it');
assertLimit(
  outboxAgeLiftedMs < outboxAgeMaxMs && memoryShareLifted < memoryShareMax,
  'what is lifted where it begins would come and go with every look',
);
assertLimit(
  replicaWaitMs + replicaWaitMarginMs <= commandTimeoutMs,
  'a call behind a wait for replicas must be run before its own deadline',
);
assertLimit(2 * commandTimeoutMs < ownOperationKeepMs, 'our own repeat must find its operation');
assertLimit(drainAgeMaxMs <= ledgerWaitMs, 'a look-up must outwait the watchdog');
assertLimit(nudgeIntervalMs + 2 * laneTurnMs <= ledgerWaitMs, 'a look-up must outwait the turn of a lane');
assertLimit(
  86_400 * reconcileWalletsPerSecond >= 1_000_000,
  'a million wallets must be compared with the ledger within a day',
);
assertLimit(
  divisorMax * 1_000_000 + 1_000_000 <= Number.MAX_SAFE_INTEGER,
  'a remainder with its next six digits must be exact in a double (lua/lib/exact.lua)',
);
assertLimit(
  codes.limit.counter_units + codes.limit.quantity_units <= Number.MAX_SAFE_INTEGER,
  'a count with one more event must be exact in a double',
);
assertLimit(
  alertShareMax * codes.limit.amount_atoms <= codes.limit.balance_atoms,
  "a budget's threshold must be one that its count can reach",
);
assertLimit(
  2 * codes.limit.balance_atoms <= Number.MAX_SAFE_INTEGER + 1,
  'two balances must add up exactly in a double',
);
