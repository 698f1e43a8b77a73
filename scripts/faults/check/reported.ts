// What recovery reports as lost, epoch by epoch, against what clients were told of it: no less, and no more than can be.
//
// Of each wallet the highest version that anybody was told of, less the last that the ledger has, is lost for certain, and
// was acknowledged. A report may exceed that by what left no version with a client: an answer that nobody heard, credit,
// what fell due by itself.
import { parseHoldId } from '../../../src/wallet/ids.ts';
import { walletOf } from '../../../src/wallet/keys.ts';
import { isInDoubt, isYes, type Attempt, type Kind, type Request } from '../history.ts';
import { groupBy } from './group-by.ts';
import type { Epoch, MayLose } from './kept.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import type { Violation } from './violation.ts';

type Told = {
  readonly environmentId: string;
  readonly requests: readonly Request[];
  readonly entries: readonly LedgerEntry[];
};

/** A call's own entry, or that of a hold's end, and one for each grant that had ended and whose money came back with it. */
const entriesPerCallMax = 8;
/** A primary that was replaced, or a call that was on its way, ends that much later than its epoch. */
const lateMsMax = 5_000;

export function checkReported({ environmentId, requests, entries }: Told, mayLose: MayLose): Violation[] {
  const byWallet = groupBy(requests, ({ customerId }) => walletOf(environmentId, customerId).walletId);
  const wallets = [...byWallet].map(([walletId, asked]) => ({
    partition: walletOf(environmentId, asked[0]!.customerId).partition,
    asked,
    ledger: entries.filter((entry) => entry.walletId === walletId),
  }));
  return mayLose.epochs.flatMap((epoch): Violation[] => {
    if (epoch.sealedSeq === undefined) return [];
    const reported = Math.max(0, epoch.acknowledgedSeq - epoch.sealedSeq);
    const bounds = wallets
      .filter(({ partition }) => partition === epoch.partition)
      .map(({ asked, ledger }) => lostOf(asked, ledger, { epoch, mayLose }));
    const least = bounds.reduce((sum, bound) => sum + bound.least, 0);
    const most = bounds.reduce((sum, bound) => sum + bound.most, 0);
    if (reported >= least && reported <= most) return [];
    const who = `partition ${epoch.partition}, epoch ${epoch.epoch}`;
    const what = `${reported} entries are reported lost; clients know of ${least} at least, and ${most} at most`;
    return [{ check: 'reported', who, what }];
  });
}

type Bounds = { least: number; most: number };

function lostOf(
  asked: readonly Request[],
  ledger: readonly LedgerEntry[],
  { epoch, mayLose }: { epoch: Epoch; mayLose: MayLose },
): Bounds {
  const last = ledger.findLast((entry) => entry.epoch <= epoch.epoch);
  const surviving = last?.version ?? 0;
  const endMs = nextOpenedAtMs(epoch, mayLose) + lateMsMax;
  const span = { fromMs: last?.atMs ?? -Infinity, toMs: endMs };
  const bounds = { least: surviving, told: surviving, untold: 0 };
  for (const request of asked) {
    let isUntold = false;
    for (const attempt of request.attempts) {
      const version = toldVersion(attempt);
      const when = whenDecided(request.kind, attempt, { epoch, mayLose });
      if (version !== undefined && when === 'in it' && isAcknowledged(attempt)) {
        bounds.least = Math.max(bounds.least, version);
      }
      if (version !== undefined && when !== 'not in it') bounds.told = Math.max(bounds.told, version);
      const isOpen = isInDoubt(attempt.reply) || (isYes(attempt.reply) && version === undefined);
      if (isOpen && overlaps(attempt, span, mayLose)) isUntold = true;
    }
    if (isUntold) bounds.untold += entriesPerCallMax;
    const due = deadlinesOf(request).filter((atMs) => atMs >= span.fromMs && atMs <= endMs);
    bounds.untold += entriesPerCallMax * due.length;
  }
  return { least: bounds.least - surviving, most: bounds.told - surviving + bounds.untold };
}

function nextOpenedAtMs({ partition, epoch }: Epoch, { epochs }: MayLose): number {
  return epochs.find((next) => next.partition === partition && next.epoch === epoch + 1)?.openedAtMs ?? Infinity;
}

/** Its reply says so, or when it was sent and answered does. */
function whenDecided(
  kind: Kind,
  { sentMs, endedMs, reply }: Attempt,
  { epoch, mayLose }: { epoch: Epoch; mayLose: MayLose },
): 'in it' | 'not in it' | 'perhaps' {
  const named = namedEpoch(kind, String(reply?.body['id']));
  if (named !== undefined) return named === epoch.epoch ? 'in it' : 'not in it';
  const nextMs = nextOpenedAtMs(epoch, mayLose);
  const [sent, ended] = [mayLose.wallClock(sentMs), mayLose.wallClock(endedMs)];
  if (ended.mostMs < epoch.openedAtMs || sent.leastMs > nextMs + lateMsMax) return 'not in it';
  return sent.leastMs >= epoch.openedAtMs && ended.mostMs < nextMs ? 'in it' : 'perhaps';
}

/** An id that was made by the call itself tells its epoch. */
function namedEpoch(kind: Kind, id: string): number | undefined {
  const charged = kind === 'charge' ? /^chg_.{22}(\d+)\./.exec(id)?.[1] : undefined;
  const held = kind === 'authorize' ? parseHoldId(id)?.ref.split('.')[0] : undefined;
  const named = charged ?? held;
  return named === undefined ? undefined : Number(named);
}

function toldVersion({ reply }: Attempt): number | undefined {
  const version = isYes(reply) ? reply?.body['version'] : undefined;
  return typeof version === 'number' ? version : undefined;
}

/** Who is told `unconfirmed` is promised nothing; a shadow's version was told by somebody else. */
function isAcknowledged({ reply }: Attempt): boolean {
  return reply?.body['durability'] !== 'unconfirmed' && !String(reply?.body['status']).startsWith('shadow');
}

function overlaps(
  { sentMs, endedMs }: Attempt,
  span: { fromMs: number; toMs: number },
  { wallClock }: MayLose,
): boolean {
  return wallClock(endedMs).mostMs >= span.fromMs && wallClock(sentMs).leastMs <= span.toMs;
}

/** What happens to a wallet by itself because of this request, an entry at each of these instants. */
function deadlinesOf({ kind, body, attempts }: Request): number[] {
  const told = kind === 'authorize' || kind === 'extend' ? attempts.map(({ reply }) => reply?.body['expires_at']) : [];
  const asked = kind === 'grant' ? [body['effective_at'], body['expires_at']] : [];
  const instants = [...told, ...asked].flatMap((text) => (typeof text === 'string' ? [Date.parse(text)] : []));
  return [...new Set(instants)];
}
