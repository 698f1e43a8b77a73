// What load sends: endless requests over many customers, or as many as there are holds.
import { customerIn, tokensEvent, type World } from './world.ts';

export type Request = {
  path: string;
  body: string;
  /** The Idempotency-Key; default: none. */
  key?: string;
};

/** What a connection sent last, and the answer's body. */
export type Last = { request: Request; reply: string };

/** What a connection sends, in turn, and then anew; each but the first sees what came of the one before. */
export type Steps = readonly ((last: Last | undefined) => Request | undefined)[];

type Path = '/v1/authorize' | '/v1/charge';

/** Whose turn it is: the number of a customer of the world. */
export type Choose = () => number;

const tags = { subject: 'agent:planner', labels: { team: 'red' } };
const amount = { asset: 'USD', amount: '0.000001', ...tags };
let keysCount = 0;

/** Next to nothing of each customer, one after the other. */
export function amounts(path: Path, world: World, choose = inTurn(world), more: object = {}): Steps {
  const next = around(world, { ...amount, ...more }, choose);
  return [() => ({ path, body: next() })];
}

/** Events to be priced by the catalog, of the same customers in the same order; with keys, as `amounts` has none. */
export function events(path: Path, world: World, key?: () => string): Steps {
  const next = around(world, { ...tokensEvent, ...tags }, inTurn(world));
  return [() => ({ path, body: next(), ...(key && { key: key() }) })];
}

/** As many events in each request, each with an id of its own. */
export function batches(world: World, count: number): Steps {
  const choose = inTurn(world);
  const rest = JSON.stringify({ ...tokensEvent, ...tags }).slice(1);
  const event = () => `{"id":"${uniqueKey()}","customer_id":"${customerIn(world, choose())}",${rest}`;
  return [() => ({ path: '/v1/events', body: `{"events":[${Array.from({ length: count }, event).join()}]}` })];
}

/** Authorize, then settle what was authorized. */
export function authorizeThenSettle(world: World, choose = inTurn(world)): Steps {
  const [authorize] = amounts('/v1/authorize', world, choose);
  return [authorize!, (last) => settleOf(holdIdIn(last?.reply ?? '') ?? '')];
}

/** Each charge twice, under the same key. */
export function twice(world: World): Steps {
  const next = around(world, amount, inTurn(world));
  return [() => ({ path: '/v1/charge', body: next(), key: uniqueKey() }), (last) => last?.request];
}

/** Each of these holds once, part of it. */
export function settles(holdIds: string[]): Steps {
  return [
    () => {
      const id = holdIds.pop();
      return id === undefined ? undefined : settleOf(id);
    },
  ];
}

export function holdIdIn(reply: string): string | undefined {
  return /"id":"([^"]+)"/.exec(reply)?.[1];
}

export function inTurn({ customersCount }: World): Choose {
  let count = 0;
  return () => count++ % customersCount;
}

export function settleOf(holdId: string): Request {
  return { path: `/v1/holds/${holdId}/settle`, body: '{"amount":"0.0000004"}' };
}

function around(world: World, rest: object, choose: Choose): () => string {
  const tail = JSON.stringify(rest).slice(1);
  return () => `{"customer_id":"${customerIn(world, choose())}",${tail}`;
}

export function uniqueKey(): string {
  keysCount += 1;
  return `bench-${keysCount}`;
}
