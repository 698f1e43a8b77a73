// What a budget has counted, by window, and a hold's place in it.

export type Counter = {
  /** Thresholds, in the order told of. */
  told: bigint[];
  toldIn: number;
  /** Of a bucket; 0: the period is a calendar's. */
  width: number;
  thresholds: bigint[];
  buckets: { name: number; spent: bigint; held: bigint }[];
};
/** A bucket that a hold counts in. */
export type Tag = { budgetNo: number; asset: number; bucket: number; held: bigint };
export function copyCounter(counter: Counter): Counter {
  return { ...counter, told: [...counter.told], buckets: counter.buckets.map((bucket) => ({ ...bucket })) };
}
