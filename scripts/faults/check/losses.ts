// Of acknowledged operations that are lost: whether they could be, when they could be, and whether that is reported.
import { describeRequest, isYes, type Request } from '../history.ts';
import type { Violation } from './violation.ts';

/** Between these two instants of the clients' clock an answer may be one that is lost. */
export type LossWindow = { readonly fromMs: number; readonly toMs: number };

export type Losses = {
  readonly lost: readonly Request[];
  /** Entries that recovery says were lost; an operation has one at least. */
  readonly reported: number;
  /** None: at any time. */
  readonly windows: readonly LossWindow[];
  /** Class `replicated`: what was not marked `unconfirmed` stays. */
  readonly keepsConfirmed: boolean;
};

export function checkLosses({ lost, reported, windows, keepsConfirmed }: Losses): Violation[] {
  const violations: Violation[] = [];
  const promised = lost.filter(isPromised);
  if (keepsConfirmed) {
    for (const request of promised) {
      const what = 'was confirmed by a replica, and the ledger does not have it';
      violations.push({ check: 'acknowledged', who: describeRequest(request), what });
    }
  }
  if (promised.length > reported) {
    const what = `${promised.length} acknowledged operations were lost, ${reported} reported`;
    violations.push({ check: 'reported', who: describeRequest(promised[0]!), what });
  }
  for (const request of windows.length === 0 ? [] : lost) {
    const toldMs = firstYesMs(request);
    if (windows.some(({ fromMs, toMs }) => toldMs >= fromMs && toldMs <= toMs)) continue;
    const distances = windows.map(({ fromMs, toMs }) => (toldMs < fromMs ? toldMs - fromMs : toldMs - toMs));
    const offMs = distances.reduce((least, ms) => (Math.abs(ms) < Math.abs(least) ? ms : least));
    const what = `was acknowledged ${Math.round(offMs)} ms outside of what may be lost`;
    violations.push({ check: 'bounded', who: describeRequest(request), what });
  }
  return violations;
}

/** Who is told `unconfirmed` is promised nothing. */
function isPromised({ attempts }: Request): boolean {
  return attempts.some(({ reply }) => isYes(reply) && reply?.body['durability'] !== 'unconfirmed');
}

function firstYesMs({ attempts }: Request): number {
  return attempts.reduce((first, { reply, endedMs }) => (isYes(reply) ? Math.min(first, endedMs) : first), Infinity);
}
