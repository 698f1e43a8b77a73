// Do something again and again, never twice at once; an error waits for the next turn.
export type Repeating = { now: () => Promise<void>; stop: () => void };

export function every(intervalMs: number, work: () => Promise<void>): Repeating {
  let busy: Promise<void> | undefined;
  const now = () => {
    busy ??= work().finally(() => {
      busy = undefined;
    });
    return busy;
  };
  const timer = setInterval(() => void now().catch(() => undefined), intervalMs);
  return { now, stop: () => clearInterval(timer) };
}
