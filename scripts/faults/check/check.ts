// The checker: from what clients recorded and what the ledger has, whether each wallet was linearizable and nobody was deceived.
//
// A wallet's operations have an order that needs no search: each version is one entry. So it is enough to replay that
// order through the model, to compare it with what was told, and to see that no answer came before its question.
import { walletOf } from '../../../src/wallet/keys.ts';
import { describeRequest, isInDoubt, operationIdOf, type Request } from '../history.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { checkRealTime, checkVersions, windowsOf } from './order.ts';
import { checkRefusals, checkRepeats, checkYeses, timesDone } from './replies.ts';
import { replay, type Timeline } from './replay.ts';
import { checkTold } from './told.ts';
import type { Violation } from './violation.ts';

export type History = {
  readonly environmentId: string;
  readonly requests: readonly Request[];
  /** By wallet, each in order of versions. */
  readonly entries: readonly LedgerEntry[];
};

export type Findings = {
  readonly violations: Violation[];
  /** Acknowledged operations that the ledger does not have. */
  readonly lost: readonly Request[];
  /** By customer. */
  readonly timelines: ReadonlyMap<string, Timeline>;
};

/** `mayLose`: what is lost is told, and is no violation by itself. `isCalm`: no outcome was ever in doubt. */
export function check(
  { environmentId, requests, entries }: History,
  { mayLose = false, isCalm = false } = {},
): Findings {
  const wallets = new Set(requests.map(({ customerId }) => walletOf(environmentId, customerId).walletId));
  const own = entries.filter(({ walletId }) => wallets.has(walletId));
  const told = checkTold(environmentId, requests, own);
  const violations = [
    ...told.violations,
    ...checkRepeats(requests, { mayLose, isCalm }),
    ...checkAnswers(requests, { mayLose, isCalm }),
  ];
  if (!mayLose) {
    const what = 'was acknowledged, and the ledger does not have it';
    violations.push(
      ...told.lost.map((request) => ({ check: 'acknowledged' as const, who: describeRequest(request), what })),
    );
  }
  const entriesBy = groupBy(own, ({ walletId }) => walletId);
  const timelines = new Map<string, Timeline>();
  for (const [customerId, asked] of groupBy(requests, (request) => request.customerId)) {
    const ledger = entriesBy.get(walletOf(environmentId, customerId).walletId) ?? [];
    const byOperation = new Map(
      asked.filter(({ reusesKey }) => !reusesKey).map((request) => [operationIdOf(environmentId, request), request]),
    );
    const timeline = replay(ledger, byOperation);
    timelines.set(customerId, timeline);
    const placed = ledger.flatMap(({ operationId, version }) => {
      const request = operationId === null ? undefined : byOperation.get(operationId);
      // Lost and done anew: its first answer is of a version that is no more. Credit is done anew by the worker.
      const isSure = !mayLose || (request && timesDone(request) <= 1 && request.kind !== 'grant');
      return request && isSure ? [{ request, version }] : [];
    });
    violations.push(...checkVersions(ledger), ...checkRealTime(placed), ...checkYeses(timeline, mayLose));
    if (timeline.parted) {
      const { version, differences } = timeline.parted;
      violations.push({ check: 'replay', who: `${customerId} at version ${version}`, what: differences.join('; ') });
    } else if (!mayLose) {
      // After a loss answers may belong to versions that are no more.
      violations.push(...checkRefusals(timeline, asked, windowsOf(placed, ledger)));
    }
  }
  return { violations, lost: told.lost, timelines };
}

function checkAnswers(
  requests: readonly Request[],
  { mayLose, isCalm }: { mayLose: boolean; isCalm: boolean },
): Violation[] {
  return requests.flatMap((request): Violation[] => {
    const wrong = request.attempts.find(
      ({ reply }) =>
        (isCalm && isInDoubt(reply)) ||
        reply?.status === 500 ||
        reply?.status === 401 ||
        (!mayLose && reply?.status === 404 && request.kind !== 'void'),
    );
    return wrong
      ? [{ check: 'answers', who: describeRequest(request), what: `answered ${wrong.reply?.status ?? 'nothing'}` }]
      : [];
  });
}

function groupBy<T>(all: readonly T[], nameOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(nameOf(one));
    if (group) group.push(one);
    else groups.set(nameOf(one), [one]);
  }
  return groups;
}
