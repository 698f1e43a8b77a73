// Class `replicated`: money is answered for once a replica has it.
//
// Calls leave as ever, and behind those of one turn of the event loop, on the same connection and with the last of them, goes a
// WAIT: https://redis.io/docs/latest/commands/wait/. It holds up its connection, so there is never more than one under way:
// calls that leave meanwhile share the next. A call thus stands behind one WAIT at most, and is answered after another.
//
// WAIT speaks of what its own connection has written. A repeat writes nothing, and what it repeats may have come over
// another connection: hence the PUBLISH before it, which nobody hears, but which replicas have to get in its turn, after
// everything that Redis had written by then. And a WAIT on the connection that follows a broken one speaks of another Redis,
// perhaps: what the broken one carried is unconfirmed.
//
// What this does not do: take anything back. A write that no replica confirmed in time is there, and probably on its way.
import type { Redis } from 'ioredis';
import { replicaWaitMs } from '../limits.ts';

/** Carried by a reply, until it is looked at. */
export type Confirmable = { confirmed?: Promise<boolean> };
/** What becomes of it. */
export type Unconfirmed = { unconfirmed?: true };

const replicasCount = 1;
const channel = 'farebox:confirm';

type Connection = { inFlight: Promise<boolean> | undefined; next: Promise<boolean> | undefined };

type Client = { onShortfall: () => void; connections: WeakMap<object, Connection> };

const clients = new WeakMap<Redis, Client>();

/** From now on money that moves through this client is waited for. `onShortfall`: a wait ended without a replica's word. */
export function confirmByReplica(redis: Redis, onShortfall: () => void): void {
  clients.set(redis, { onShortfall, connections: new WeakMap() });
}

/** Of a call that is about to be sent: whether a replica has it in time. Undefined where nobody asked for that. */
export function confirmationOf(redis: Redis): Promise<boolean> | undefined {
  const client = clients.get(redis);
  if (!client) return undefined;
  const { stream } = redis;
  let connection = client.connections.get(stream);
  if (!connection) client.connections.set(stream, (connection = { inFlight: undefined, next: undefined }));
  return (connection.next ??= nextWait(redis, stream, connection, client.onShortfall));
}

async function nextWait(
  redis: Redis,
  stream: object,
  connection: Connection,
  onShortfall: () => void,
): Promise<boolean> {
  await (connection.inFlight ?? endOfTurn());
  // What is sent from here on needs another one.
  connection.next = undefined;
  if (redis.stream !== stream || redis.status !== 'ready') return false;
  connection.inFlight = wait(redis);
  const confirmed = await connection.inFlight;
  // Before whoever waited for this one goes on: who asked first, hears first.
  connection.inFlight = undefined;
  if (!confirmed) onShortfall();
  return confirmed;
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Never throws: that the question failed says nothing about what was written. */
async function wait(redis: Redis): Promise<boolean> {
  const [marked, confirmed] = await Promise.allSettled([
    redis.publish(channel, ''),
    redis.wait(replicasCount, replicaWaitMs),
  ]);
  return marked.status === 'fulfilled' && confirmed.status === 'fulfilled' && confirmed.value >= replicasCount;
}

/** A reply, once it is known whether a replica has it. */
export async function whenConfirmed<Reply extends Confirmable>(reply: Reply): Promise<Reply & Unconfirmed> {
  const { confirmed, ...rest } = reply;
  const known = rest as Reply;
  return (await confirmed) === false ? { ...known, unconfirmed: true } : known;
}
