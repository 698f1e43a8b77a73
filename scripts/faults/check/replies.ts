// Each yes against the model's at its place; each repeat against the first; each no against the versions there were meanwhile.
import { describeRequest, isNo, isYes, type Attempt, type Request } from '../history.ts';
import { versionsAt, type Pricing } from '../pricing.ts';
import { bodyDifferences, expectedBody } from './expected-body.ts';
import { firstSentMs, type Kept } from './kept.ts';
import type { Window } from './order.ts';
import { isEvent, pricedBy } from './ask.ts';
import { isRefusalOf } from './refusals.ts';
import type { Timeline } from './replay.ts';
import type { Violation } from './violation.ts';

export function checkYeses({ done }: Timeline, isKept: Kept): Violation[] {
  return done.flatMap((one) => {
    const expected = expectedBody(one);
    const { request } = one;
    const told = request.attempts
      .filter(({ reply }) => isYes(reply))
      .map((attempt) => ({ isSure: isKept(attempt), differences: bodyDifferences(expected, attempt.reply!.body) }));
    // What was lost with Redis and done anew was told twice: once of what is no more. Credit is done anew by the worker.
    const isTold = request.kind === 'grant' || told.some(({ differences }) => differences.length === 0);
    return told
      .filter(({ isSure }) => isSure || !isTold)
      .flatMap(({ differences }) => differences)
      .slice(0, 3)
      .map((what) => ({ check: 'replies' as const, who: describeRequest(request), what }));
  });
}

/** Of several times yes, one was done and the others were told of it; a key that came with another body is refused. */
export function checkRepeats(
  requests: readonly Request[],
  { isKept, isCalm }: { isKept: Kept; isCalm: boolean },
): Violation[] {
  return requests.flatMap((request): Violation[] => {
    const who = describeRequest(request);
    if (request.reusesKey) {
      const wrong = request.attempts.find(
        ({ reply }) => reply && reply.status < 500 && reply.body['code'] !== conflict,
      );
      return wrong ? [{ check: 'repeats', who, what: 'another body under a key that was used is not refused' }] : [];
    }
    if (isShadow(request)) return [];
    if (isCalm && request.attempts.some(({ reply }) => isNo(reply) && reply!.replayed))
      return [{ check: 'repeats', who, what: 'a "no" is remembered, though nothing was in doubt' }];
    const times = timesDone(request, isKept);
    if (times > 1) return [{ check: 'repeats', who, what: `done anew ${times} times` }];
    if (request.attempts.some(({ reply }) => reply?.body['code'] === conflict))
      return [{ check: 'repeats', who, what: 'its own key is said to have come with another body' }];
    return [];
  });
}

/** How often a yes was said that repeats no other, and is not lost. */
function timesDone({ attempts }: Request, isKept: Kept): number {
  return attempts.filter((attempt) => isYes(attempt.reply) && !attempt.reply!.replayed && isKept(attempt)).length;
}

const conflict = 'idempotency_conflict';

export function isShadow({ body }: Request): boolean {
  return body['mode'] === 'shadow';
}

/** A no, or a shadow's answer, that the model gives at no version within the window. */
export function checkRefusals({
  timeline,
  requests,
  windowOf,
  isKept,
  pricing,
}: {
  timeline: Timeline;
  requests: readonly Request[];
  windowOf: Window;
  isKept: Kept;
  pricing: Pricing | undefined;
}): Violation[] {
  return requests.flatMap((request) => {
    if (request.reusesKey) return [];
    return request.attempts.flatMap((attempt): Violation[] => {
      if (!isRefusal(request, attempt) || !isKept(attempt)) return [];
      // A "no" that is remembered may have been decided when it was first asked for.
      const sentMs = attempt.reply?.replayed ? firstSentMs(request) : attempt.sentMs;
      const priceVersions = pricing ? versionsAt(pricing, sentMs, attempt.endedMs) : [1];
      const refusal = { request, reply: attempt.reply!, priceVersions };
      const { from, to } = windowOf(sentMs, attempt.endedMs);
      for (let version = from; version <= to; version += 1) {
        if (isRefusalOf(timeline, version, refusal)) return [];
      }
      const what = `no version from ${from} to ${to} answers so: ${JSON.stringify(attempt.reply?.body)}`;
      return [{ check: 'refusals', who: describeRequest(request), what }];
    });
  });
}

function isRefusal(request: Request, { reply }: Attempt): boolean {
  return isNo(reply) || (isShadow(request) && reply?.status === 200);
}

/** An event is priced by what stood when it was asked for, or came while it was under way. */
export function checkPriced(requests: readonly Request[], pricing: Pricing): Violation[] {
  return requests.flatMap((request) =>
    request.attempts.flatMap((attempt): Violation[] => {
      const version = isEvent(request) ? pricedBy(attempt.reply) : undefined;
      if (version === undefined) return [];
      const sentMs = attempt.reply?.replayed ? firstSentMs(request) : attempt.sentMs;
      const versions = versionsAt(pricing, sentMs, attempt.endedMs);
      if (versions.includes(version)) return [];
      const what = `is priced by version ${version}; then there were ${versions.join(', ')}`;
      return [{ check: 'priced', who: describeRequest(request), what }];
    }),
  );
}
