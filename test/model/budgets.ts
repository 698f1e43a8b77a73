// Budgets as the documents describe them: what counts in which window, what is left, and which thresholds were passed.
import { codes } from '../../src/codes.gen.ts';
import { copyCounter, type Counter, type Tag } from './counters.ts';
import { record, type Draft } from './draft.ts';
import type { Hold } from './wallet.ts';

/** A number: that many milliseconds, rolling. `nepal_day` is one of Asia/Kathmandu; other days and hours are those of UTC. */
export type StoryPeriod = Calendar | 'lifetime' | number;
type Calendar = 'hour' | 'day' | 'nepal_day';
export type Budget = {
  no: number;
  asset: number;
  isHard: boolean;
  limit: bigint;
  period: StoryPeriod;
  thresholds: bigint[];
};
/** The budgets that a request counts in, with the windows of the instant that its gateway believes in. */
export type Sent = { budgets: readonly Budget[]; knownMs: number };

export type OpenBudget = Budget & { counter: Counter; bucket: number; room: bigint };

/** Nepal is 5 h 45 min ahead of UTC, all year. */
const calendars: Record<Calendar, { length: number; ahead: number }> = {
  hour: { length: 3_600_000, ahead: 0 },
  day: { length: 86_400_000, ahead: 0 },
  nepal_day: { length: 86_400_000, ahead: 20_700_000 },
};
const rollingBuckets = 60;
const toldMax = 64;

/** Undefined: the windows sent are not those of now. */
export function openBudgets(draft: Draft, sent: Sent | undefined, tags?: readonly Tag[]): OpenBudget[] | undefined {
  const { budgets = [], knownMs = 0 } = sent ?? {};
  const isBehind = ({ period }: Budget) =>
    typeof period === 'string' && startOf(period, knownMs) !== startOf(period, draft.nowMs);
  if (budgets.some(isBehind)) return undefined;
  return budgets
    .filter(({ no }) => !tags || tags.some((tag) => tag.budgetNo === no))
    .map((budget) => {
      const counter = counterOf(draft, budget.no);
      const { bucket, oldest, width } = placeOf(budget.period, draft.nowMs);
      counter.width = width;
      counter.thresholds = budget.thresholds;
      forget(counter, oldest);
      const left = budget.limit - total(counter, 'spent') - total(counter, 'held');
      return { ...budget, counter, bucket, room: left > 0n ? left : 0n };
    });
}

function placeOf(period: StoryPeriod, nowMs: number): { bucket: number; oldest: number; width: number } {
  if (typeof period === 'number') {
    const width = Math.ceil(period / (rollingBuckets - 1));
    const bucket = Math.floor(nowMs / width);
    return { bucket, oldest: bucket - rollingBuckets + 1, width };
  }
  const start = startOf(period, nowMs);
  return { bucket: start, oldest: start, width: 0 };
}

function startOf(period: Calendar | 'lifetime', nowMs: number): number {
  if (period === 'lifetime') return 0;
  const { length, ahead } = calendars[period];
  return nowMs - ((nowMs + ahead) % length);
}

// As it is now: rolling ones lose what is too old whenever they are looked at.
function counterOf(draft: Draft, no: number): Counter {
  const known = draft.counters.get(no);
  if (known) return known;
  const stored = draft.wallet.counters.get(no);
  const counter = stored ? copyCounter(stored) : { told: [], toldIn: 0, width: 0, thresholds: [], buckets: [] };
  if (counter.width > 0) forget(counter, Math.floor(draft.nowMs / counter.width) - rollingBuckets + 1);
  draft.counters.set(no, counter);
  return counter;
}

function forget(counter: Counter, oldest: number): void {
  counter.buckets = counter.buckets.filter(({ name }) => name >= oldest);
  if (counter.toldIn < oldest) counter.told = [];
}

function total({ buckets }: Counter, of: 'spent' | 'held'): bigint {
  return buckets.reduce((sum, bucket) => sum + bucket[of], 0n);
}

/** The hard budget of an asset with the least left; of two, the one named first. */
export function tightest(budgets: readonly OpenBudget[], asset: number): OpenBudget | undefined {
  const [first] = budgets
    .filter((budget) => budget.isHard && budget.asset === asset)
    .toSorted((a, b) => Number(a.room - b.room));
  return first;
}

/** As held, where there are tags; else as spent. */
export function countBudgets(
  draft: Draft,
  budgets: readonly OpenBudget[],
  { asset, amount }: { asset: number; amount: bigint },
  tags?: Tag[],
): void {
  for (const { no, counter, bucket } of budgets.filter((budget) => budget.asset === asset)) {
    let tag = tags?.find(({ budgetNo }) => budgetNo === no);
    if (amount === 0n && (tag || !tags)) continue;
    let present = counter.buckets.find(({ name }) => name === bucket);
    if (!present || amount > 0n) draft.touched.add(no);
    if (!present) counter.buckets.push((present = { name: bucket, spent: 0n, held: 0n }));
    if (!tags) {
      present.spent = capped(present.spent + amount);
      continue;
    }
    if (!tag) tags.push((tag = { budgetNo: no, asset, bucket, held: 0n }));
    const before = counter.buckets.find(({ name }) => name === tag.bucket);
    const brought = before ? tag.held : 0n;
    if (before) before.held -= brought;
    present.held += brought + amount;
    tag.held = brought + amount;
    tag.bucket = bucket;
  }
}

/** What a hold held was spent, and more; of what no longer counts, nothing is counted. */
export function spendBudgets(draft: Draft, hold: Hold, asset: number, held: bigint, beyond: bigint): void {
  // All of them are looked at first, whatever their asset: alerts go by that order.
  for (const tag of hold.tags) counterOf(draft, tag.budgetNo);
  for (const tag of hold.tags.filter((one) => one.asset === asset)) {
    const part = held < tag.held ? held : tag.held;
    tag.held -= part;
    const bucket = counterOf(draft, tag.budgetNo).buckets.find(({ name }) => name === tag.bucket);
    if (!bucket || part + beyond === 0n) continue;
    bucket.spent = capped(bucket.spent + part + beyond);
    bucket.held -= part;
    draft.touched.add(tag.budgetNo);
  }
}

export function giveBackBudgets(draft: Draft, hold: Hold): void {
  for (const tag of hold.tags) {
    const bucket = counterOf(draft, tag.budgetNo).buckets.find(({ name }) => name === tag.bucket);
    if (bucket && tag.held > 0n) {
      bucket.held -= tag.held;
      draft.touched.add(tag.budgetNo);
    }
    tag.held = 0n;
  }
}

/** Each threshold that was passed is told of by an entry of its own. */
export function alertBudgets(draft: Draft): void {
  for (const [no, counter] of draft.counters) {
    const spent = total(counter, 'spent');
    for (const threshold of counter.thresholds) {
      if (spent < threshold || counter.told.includes(threshold)) continue;
      if (counter.told.length === 0) {
        counter.toldIn = counter.width > 0 ? Math.floor(draft.nowMs / counter.width) : counter.buckets[0]!.name;
      }
      counter.told = [...counter.told, threshold].slice(-toldMax);
      record(draft, 'budget_alert', {}, () => draft.touched.add(no));
    }
  }
}

function capped(atoms: bigint): bigint {
  const most = BigInt(codes.limit.balance_atoms);
  return atoms < most ? atoms : most;
}
