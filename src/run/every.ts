// Do something again and again, never twice at once; after an error, the next turn tries again.
export type Repeating = { now: () => Promise<void>; stop: () => void };

export function every(intervalMs: number, work: () => Promise<void>, onError: (error: Error) => void): Repeating {
  let busy: Promise<void> | undefined;
  const now = () => {
    busy ??= work()
      .catch(onError)
      .finally(() => {
        busy = undefined;
      });
    return busy;
  };
  const timer = setInterval(() => void now(), intervalMs);
  return { now, stop: () => clearInterval(timer) };
}
