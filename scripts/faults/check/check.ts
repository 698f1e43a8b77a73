// The checker: from what clients recorded and what the ledger has, whether each wallet was linearizable and nobody was deceived.
//
// A wallet's operations have an order that needs no search: each version is one entry. So it is enough to replay that
// order through the model, to compare it with what was told, and to see that no answer came before its question.
import { walletOf } from '../../../src/wallet/keys.ts';
import { describeRequest, isInDoubt, isYes, operationIdOf, type Request } from '../history.ts';
import type { Pricing } from '../pricing.ts';
import { groupBy } from './group-by.ts';
import { allKept, firstYesMs, keptOf, type Kept, type MayLose } from './kept.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { checkRealTime, checkVersions, windowsOf } from './order.ts';
import { checkRefusals, checkRepeats, checkYeses, checkPriced } from './replies.ts';
import { replay, type Timeline } from './replay.ts';
import { checkTold } from './told.ts';
import type { Violation } from './violation.ts';

export type History = {
  readonly environmentId: string;
  readonly requests: readonly Request[];
  /** By wallet, each in order of versions. */
  readonly entries: readonly LedgerEntry[];
  /** Where the load asks for events. */
  readonly pricing?: Pricing | undefined;
};

export type Findings = {
  readonly violations: Violation[];
  /** Acknowledged operations that the ledger does not have. */
  readonly lost: readonly Request[];
  /** By customer; the last versions of each. */
  readonly timelines: ReadonlyMap<string, Timeline>;
};

/** `mayLose`: what is lost is told, and is no violation where it could be lost. `isCalm`: no outcome was ever in doubt. */
export function check(
  { environmentId, requests, entries, pricing }: History,
  { mayLose, isCalm = false }: { mayLose?: MayLose | undefined; isCalm?: boolean } = {},
): Findings {
  const wallets = new Set(requests.map(({ customerId }) => walletOf(environmentId, customerId).walletId));
  const own = entries.filter(({ walletId }) => wallets.has(walletId));
  const told = checkTold(environmentId, requests, own);
  const violations = [...told.violations];
  const entriesBy = groupBy(own, ({ walletId }) => walletId);
  const timelines = new Map<string, Timeline>();
  for (const [customerId, asked] of groupBy(requests, (request) => request.customerId)) {
    const { walletId, partition } = walletOf(environmentId, customerId);
    const ledger = entriesBy.get(walletId) ?? [];
    const isKept = mayLose ? keptOf(ledger, partition, mayLose) : allKept;
    const timeline = replay(ledger, byOperationOf(environmentId, asked), pricing?.budgetsOf(customerId));
    const lost = told.lost.filter((request) => request.customerId === customerId);
    violations.push(
      ...checkKept(lost, isKept),
      ...checkRepeats(asked, { isKept, isCalm }),
      ...checkAnswers(asked, isCalm),
      ...checkWallet({ environmentId, customerId, asked, ledger, timeline, isKept, pricing }),
      ...(pricing ? checkPriced(asked, pricing) : []),
    );
    timelines.set(customerId, endOf(timeline));
  }
  return { violations, lost: told.lost, timelines };
}

const endVersions = 50;

/** Its last versions. A wallet at every version of a long run is hundreds of megabytes; one of them at a time is enough. */
function endOf({ worlds, ...timeline }: Timeline): Timeline {
  const last = Math.max(...worlds.keys());
  return { ...timeline, done: [], worlds: new Map([...worlds].filter(([version]) => version > last - endVersions)) };
}

/** What may not be lost, and is. */
function checkKept(lost: readonly Request[], isKept: Kept): Violation[] {
  const what = 'was acknowledged, and the ledger does not have it';
  return lost
    .filter(({ attempts }) => attempts.some((attempt) => isYes(attempt.reply) && isKept(attempt)))
    .map((request) => ({ check: 'acknowledged', who: describeRequest(request), what }));
}

type Wallet = {
  environmentId: string;
  customerId: string;
  asked: readonly Request[];
  ledger: readonly LedgerEntry[];
  timeline: Timeline;
  isKept: Kept;
  pricing: Pricing | undefined;
};

function checkWallet({ environmentId, customerId, asked, ledger, timeline, isKept, pricing }: Wallet): Violation[] {
  const byOperation = byOperationOf(environmentId, asked);
  const placed = ledger.flatMap(({ operationId, version }) => {
    const request = operationId === null ? undefined : byOperation.get(operationId);
    return request ? [{ request, version, yesMs: firstYesMs(request, isKept) }] : [];
  });
  const violations = [...checkVersions(ledger), ...checkRealTime(placed), ...checkYeses(timeline, isKept)];
  if (timeline.parted) {
    const { version, differences } = timeline.parted;
    return [
      ...violations,
      { check: 'replay', who: `${customerId} at version ${version}`, what: differences.join('; ') },
    ];
  }
  return [
    ...violations,
    ...checkRefusals({ timeline, requests: asked, windowOf: windowsOf(placed, ledger), isKept, pricing }),
  ];
}

function byOperationOf(environmentId: string, asked: readonly Request[]): Map<string, Request> {
  return new Map(
    asked.filter(({ reusesKey }) => !reusesKey).map((request) => [operationIdOf(environmentId, request), request]),
  );
}

function checkAnswers(requests: readonly Request[], isCalm: boolean): Violation[] {
  return requests.flatMap((request): Violation[] => {
    const wrong = request.attempts.find(
      ({ reply }) => (isCalm && isInDoubt(reply)) || reply?.status === 500 || reply?.status === 401,
    );
    return wrong
      ? [{ check: 'answers', who: describeRequest(request), what: `answered ${wrong.reply?.status ?? 'nothing'}` }]
      : [];
  });
}
