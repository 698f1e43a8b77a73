// What load sends: endless requests over many customers, or as many as there are holds.
import type { Request } from './load.ts';
import { tokensEvent, worlds, type World } from './world.ts';

const tags = { subject: 'agent:planner', labels: { team: 'red' } };

/** One amount of one customer after the other: nothing to price, and next to nothing taken. */
export function amounts(path: '/v1/authorize' | '/v1/charge', world: World = worlds.plain): () => Request {
  return around(world, path, { asset: 'USD', amount: '0.000001', ...tags });
}

/** Events to be priced by the catalog, of the same customers in the same order. */
export function events(path: '/v1/authorize' | '/v1/charge', world: World): () => Request {
  return around(world, path, { ...tokensEvent, ...tags });
}

/** Each of these holds once, part of it. */
export function settles(holdIds: string[]): () => Request | undefined {
  return () => {
    const id = holdIds.pop();
    return id === undefined ? undefined : { path: `/v1/holds/${id}/settle`, body: '{"amount":"0.0000004"}' };
  };
}

function around(world: World, path: string, rest: object): () => Request {
  let count = 0;
  const bodies = Array.from({ length: world.customersCount }, (_, i) =>
    JSON.stringify({ customer_id: `${world.name}_${i}`, ...rest }),
  );
  return () => ({ path, body: bodies[count++ % world.customersCount]! });
}
