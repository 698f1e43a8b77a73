// Do something until it succeeds: what fails because a store stands still for a moment does not stop a process that starts.
import { setTimeout as sleep } from 'node:timers/promises';

const pauseMs = 1_000;

/** `work` may be done again after it failed in the middle. Fails as it does, once it goes on failing for `boundMs`. */
export async function retryFor<T>(
  boundMs: number,
  work: () => Promise<T>,
  onError: (error: Error) => void,
): Promise<T> {
  const deadlineMs = performance.now() + boundMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      onError(error as Error);
      await sleep(pauseMs);
    }
  }
}
