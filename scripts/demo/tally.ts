// What has happened so far, in numbers.

export type Tally = {
  readonly startedMs: number;
  /** Requests begun. */
  sent: number;
  inFlight: number;
  approved: number;
  /** By reason. */
  readonly declined: Map<string, number>;
  /** By code: no decline, but no answer or a refusal. */
  readonly failed: Map<string, number>;
  topUps: number;
  spent: bigint;
  readonly byTeam: Map<string, Spending>;
  readonly byModel: Map<string, Spending>;
  readonly authorizeMs: number[];
  readonly settleMs: number[];
  /** How far the requests lag the trace: now, and at worst. */
  behindMs: number;
  behindMsMax: number;
  lastSettle: { readonly customerId: string; readonly holdId: string; readonly atMs: number } | null;
};

export type Spending = { requests: number; spent: bigint };

export function newTally(): Tally {
  return {
    startedMs: performance.now(),
    sent: 0,
    inFlight: 0,
    approved: 0,
    declined: new Map(),
    failed: new Map(),
    topUps: 0,
    spent: 0n,
    byTeam: new Map(),
    byModel: new Map(),
    authorizeMs: [],
    settleMs: [],
    behindMs: 0,
    behindMsMax: 0,
    lastSettle: null,
  };
}

export function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

export function add(spending: Map<string, Spending>, name: string, spent: bigint): void {
  const { requests, spent: before } = spending.get(name) ?? { requests: 0, spent: 0n };
  spending.set(name, { requests: requests + 1, spent: before + spent });
}

export function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}

/** The nearest rank; null of nothing. */
export function percentile(values: readonly number[], percent: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? null;
}
