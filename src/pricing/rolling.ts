// Rolling periods: what was spent within the last so many milliseconds, counted in 60 buckets.
//
// A bucket is a 59th of the period. The present one has only begun, so the 59 before it reach back over the whole period:
// what counts is never less than what was spent in it, and at most what was spent in 60/59 of it. So no stretch of that
// length, wherever it begins, exceeds a hard budget.

export const bucketsCount = 60;

export type RollingBuckets = {
  readonly widthMs: number;
  /** The bucket that the instant falls in: what is spent now counts there. */
  readonly bucket: number;
  /** The first that still counts, up to `bucket`: `bucketsCount` of them. */
  readonly oldestBucket: number;
  /** As long as `bucket` is the present one, these are the ones that count. */
  readonly startMs: number;
  readonly endMs: number;
};

/** The buckets that count at an instant. */
export function rollingAt(rollingMs: number, instantMs: number): RollingBuckets {
  const widthMs = Math.ceil(rollingMs / (bucketsCount - 1));
  const bucket = Math.floor(instantMs / widthMs);
  return {
    widthMs,
    bucket,
    oldestBucket: bucket - bucketsCount + 1,
    startMs: bucket * widthMs,
    endMs: (bucket + 1) * widthMs,
  };
}

/** When a bucket counts no longer. */
export function bucketEndsCountingMs(rollingMs: number, bucket: number): number {
  return (bucket + bucketsCount) * rollingAt(rollingMs, 0).widthMs;
}
