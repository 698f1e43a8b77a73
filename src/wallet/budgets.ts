// Which budgets a request counts in, and how they stand in a script's argument (lua/lib/budgets.lua).
//
// Lua knows no time zones: windows are computed here, for the instant that Redis's clock is thought to show. Where its
// clock is past a window's end, the script answers `stale`, and the request is asked again with the next one.
import { readPeriod, windowAt, type Period } from '../pricing/period.ts';
import { rollingAt } from '../pricing/rolling.ts';
import type { Budget, BudgetCounter, WalletConfig } from '../records.ts';

/** Who spends, and on what. */
export type Spender = {
  subject: string | undefined;
  labels: Readonly<Record<string, string>> | undefined;
  eventType: string | undefined;
};

/** Empty when nothing matches, which most wallets' configurations say at once. */
export function packBudgets({ budgets }: WalletConfig, spender: Spender, nowMs: number): Buffer | '' {
  if (budgets.length === 0) return '';
  const packed: Buffer[] = [];
  for (const sent of sentOf(budgets)) if (covers(sent.budget.match, spender)) packed.push(packedAt(sent, nowMs));
  return packed.length === 0 ? '' : Buffer.concat(packed);
}

/** A hold knows which of them it counts in. */
export function packAllBudgets({ budgets }: WalletConfig, nowMs: number): Buffer | '' {
  return budgets.length === 0 ? '' : Buffer.concat(sentOf(budgets).map((sent) => packedAt(sent, nowMs)));
}

/** Every field that a budget wants otherwise than the request has it: where there is none, it covers the request. */
export function differences(
  { subject, labels, event_type }: Budget['match'],
  spender: Spender,
): { field: string; wanted: string; found: string | undefined }[] {
  return [
    { field: 'subject', wanted: subject, found: spender.subject },
    { field: 'event_type', wanted: event_type, found: spender.eventType },
    ...Object.entries(labels ?? {}).map(([name, wanted]) => ({
      ...{ field: `labels.${name}`, wanted, found: spender.labels?.[name] },
    })),
  ].flatMap(({ field, wanted, found }) => (wanted === undefined || wanted === found ? [] : [{ field, wanted, found }]));
}

function covers({ subject, labels, event_type }: Budget['match'], spender: Spender): boolean {
  if (subject !== undefined && subject !== spender.subject) return false;
  if (event_type !== undefined && event_type !== spender.eventType) return false;
  for (const name in labels) if (spender.labels?.[name] !== labels[name]) return false;
  return true;
}

/** A budget as it was last packed, for which of its windows. */
type Sent = Place & { budget: Budget; packed: Buffer | undefined };

const sentBudgets = new WeakMap<readonly Budget[], Sent[]>();

// Found once for a request, and packed once for each window: every request of the wallet sends them.
function sentOf(budgets: readonly Budget[]): Sent[] {
  const known = sentBudgets.get(budgets);
  if (known) return known;
  const list = budgets.map((budget) => ({ budget, from: 0, till: 0, packed: undefined }));
  sentBudgets.set(budgets, list);
  return list;
}

function packedAt(sent: Sent, nowMs: number): Buffer {
  if (sent.packed && (sent.till === 0 || (nowMs >= sent.from && nowMs < sent.till))) return sent.packed;
  const place = placeOf(periodOf(sent.budget), nowMs);
  return (Object.assign(sent, place).packed = pack(sent.budget, place));
}

/** `HH no, asset; B hard; ddd limit, from, till; B thresholds × d`. */
function pack({ no, asset, limit, enforcement, thresholds }: Budget, { from, till }: Place): Buffer {
  const headLength = 30;
  const packed = Buffer.alloc(headLength + 8 * thresholds.length);
  packed.writeUInt16BE(no, 0);
  packed.writeUInt16BE(asset, 2);
  packed.writeUInt8(enforcement === 'hard' ? 1 : 0, 4);
  packed.writeDoubleBE(Number(limit), 5);
  packed.writeDoubleBE(from, 13);
  packed.writeDoubleBE(till, 21);
  packed.writeUInt8(thresholds.length, 29);
  thresholds.forEach((threshold, i) => packed.writeDoubleBE(Number(threshold), headLength + 8 * i));
  return packed;
}

/** Start and end of a window; of a rolling period the width of a bucket, and 0. */
type Place = { from: number; till: number };

function placeOf(period: Period, nowMs: number): Place {
  if (period.unit === 'rolling') return { from: rollingAt(period.rollingMs, nowMs).widthMs, till: 0 };
  const { startMs, endMs } = windowAt(period, nowMs);
  return { from: startMs, till: endMs };
}

/** When what a budget counts now counts no longer; undefined: never, or bit by bit. */
export function resetsAtMs(budget: Periodic, nowMs: number): number | undefined {
  const period = periodOf(budget);
  return period.unit === 'rolling' || period.unit === 'lifetime' ? undefined : windowAt(period, nowMs).endMs;
}

/** What a budget counts now: the sums of its buckets from the first on that does. */
export function countedAt(
  budget: Periodic,
  { buckets }: BudgetCounter,
  nowMs: number,
): { spent: bigint; held: bigint } {
  const period = periodOf(budget);
  const first =
    period.unit === 'rolling' ? rollingAt(period.rollingMs, nowMs).oldestBucket : windowAt(period, nowMs).startMs;
  const counted = buckets.filter(({ name }) => name >= first);
  return {
    spent: counted.reduce((sum, bucket) => sum + bucket.spent, 0n),
    held: counted.reduce((sum, bucket) => sum + bucket.held, 0n),
  };
}

type Periodic = Pick<Budget, 'id' | 'period'>;

const periods = new WeakMap<Budget['period'], Period>();

// Read once for each budget that a gateway has in memory.
function periodOf(budget: Periodic): Period {
  const known = periods.get(budget.period);
  if (known) return known;
  const read = readPeriod(budget.period);
  if (read.status === 'refused') throw new Error(`budget ${budget.id}: ${read.path} ${read.message}`);
  periods.set(budget.period, read.period);
  return read.period;
}
