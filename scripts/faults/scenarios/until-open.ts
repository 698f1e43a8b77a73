// Waiting for recovery: an epoch later than before, and gateways that take decisions in it.
import { waitUntil } from '../../stores/process.ts';
import type { Trial } from '../scenario.ts';
import { isOpen, type World } from '../world.ts';

const openBoundMs = 20_000;

/** Until there is a next epoch everywhere, and gateways take decisions in it. */
export async function untilOpen(
  { world, blame, count }: Trial,
  epochBefore: number,
  boundMs = openBoundMs,
): Promise<void> {
  const beganMs = performance.now();
  // Readiness is looked at every second: by itself it may speak of the Redis that was there before.
  const isBack = async () => (await epochOf(world)) > epochBefore && (await isOpen(world));
  if (!(await waitUntil(isBack, boundMs, 50))) {
    blame({ check: 'scenario', who: 'recovery', what: `no gateway is ready after ${boundMs / 1_000} s` });
  }
  count('ms until open', Math.round(performance.now() - beganMs));
}

/** The lowest of all partitions. */
export async function epochOf({ sql }: World): Promise<number> {
  const [row] = await sql<{ epoch: number }[]>`select min(epoch) as epoch from partitions`;
  return row?.epoch ?? 0;
}
