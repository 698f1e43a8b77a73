// Events that no price matches: kept in Postgres, each once, and told as they are kept.
import type { EventCharged, EventRequest, EventResult } from '../contract.ts';
import type { KeptEvent } from '../records.ts';
import { refuse, type Answer } from './answer.ts';
import { eventsPath, resultOf } from './charge-event.ts';
import { brokenAnswer, type Api, type Call } from './route.ts';

/** What is told of each event of a batch. Postgres is asked only where one is unpriced. */
export async function keepResults(
  api: Api,
  call: Call,
  events: readonly unknown[],
  answers: readonly Answer[],
): Promise<EventResult[]> {
  const results = answers.map((answer, at) => resultOf(call, events[at], answer));
  const unpriced = answers.flatMap((answer, at) => (isUnpriced(answer) ? [{ at, detail: answer.detail }] : []));
  if (unpriced.length === 0) return results;
  const news = unpriced.map(({ at }) => newOf(api, call, events[at] as EventRequest));
  try {
    const { kept, newCount } = await api.ledger.keepUnpriced(call.environmentId, news);
    api.countEvents('kept', newCount);
    const byName = new Map(kept.map((event) => [nameOf(event), event]));
    for (const [i, { at, detail }] of unpriced.entries()) {
      const { fingerprint, ...event } = news[i]!;
      const found = byName.get(nameOf(event));
      if (!found) throw new Error('an event was kept, and Postgres returned no row');
      const isSame = found.fingerprint === fingerprint && found.status !== 'conflict';
      results[at] = isSame ? toldOf(found, detail) : resultOf(call, events[at], conflict);
    }
  } catch (error) {
    // Nothing was charged; whether it is kept, a repeat will say.
    const broken = brokenAnswer(api, { method: 'POST', path: eventsPath }, { ...call, mayBeApplied: false }, error);
    for (const { at } of unpriced) results[at] = resultOf(call, events[at], broken);
  }
  return results;
}

const conflict = refuse('idempotency_conflict', 'the id came with another event of this customer before');

export function countResults(api: Api, results: readonly EventResult[]): void {
  const counts = new Map<string, number>();
  for (const { status } of results) counts.set(status, (counts.get(status) ?? 0) + 1);
  for (const [status, count] of counts) api.countEvents(status, count);
}

function isUnpriced(answer: Answer): answer is Answer & { status: 'refused'; detail: string } {
  return answer.status === 'refused' && answer.code === 'no_price';
}

function newOf(api: Api, { environmentId }: Call, given: EventRequest) {
  const { id: eventId, customer_id: customerId } = given;
  const { fingerprint } = api.wallets.operationOf({
    ...{ environmentId, path: eventsPath, customerId, key: eventId, body: given },
  });
  return { customerId, eventId, fingerprint, event: JSON.stringify(given) };
}

const nameOf = ({ customerId, eventId }: Pick<KeptEvent, 'customerId' | 'eventId'>) => `${customerId} ${eventId}`;

/** One that was charged long ago, and is not remembered elsewhere any more, has what it was charged. */
function toldOf({ eventId, charge }: KeptEvent, detail: string): EventResult {
  if (charge !== undefined) return { ...(JSON.parse(charge) as EventCharged), status: 'duplicate' };
  return { id: eventId, status: 'unpriced', code: 'no_price', detail };
}
