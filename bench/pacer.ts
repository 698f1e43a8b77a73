// A thread that says when it is time: timers of Node are a millisecond coarse, and to spin would take a core.
//
// It sleeps until each instant of the schedule by Atomics.wait, which is some 60 µs late, and wakes a little before by so
// much. Who is woken looks at the clock and sends what is due.
import { parentPort, workerData } from 'node:worker_threads';

export type Pace = { startNs: bigint; gapNs: number; endNs: bigint };

const wakeLateNs = 60_000;

const { startNs, gapNs, endNs } = workerData as Pace;
const cell = new Int32Array(new SharedArrayBuffer(4));
for (let at = 0; ; at += gapNs) {
  const dueNs = startNs + BigInt(Math.round(at));
  if (dueNs > endNs) break;
  const aheadNs = Number(dueNs - process.hrtime.bigint()) - wakeLateNs;
  // Late already: what was due then goes with the next one.
  if (aheadNs < -gapNs) continue;
  if (aheadNs > 0) Atomics.wait(cell, 0, 0, aheadNs / 1e6);
  parentPort!.postMessage(0);
}
