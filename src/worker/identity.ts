// Which run of which Redis we are connected to.
import type { OutboxRedis } from '../outbox/read.ts';

/**
 * `runId` names a process's time as a primary: new at each start, and again where a replica is promoted. Redis's own run id
 * alone would not do: a primary that was made a replica and promoted again has the same one, and has lost what the
 * other never got. A replica that is promoted keeps the replication id of before as its second one; lua/verify_run.lua
 * puts the two together in the same way.
 */
export type Identity = { runId: string; replicationId: string };

const neverPromoted = /^0*$/;

export async function readIdentity(redis: OutboxRedis): Promise<Identity> {
  const [server, replication] = await Promise.all([
    redis.call('INFO', ['server']),
    redis.call('INFO', ['replication']),
  ]);
  const read = (text: unknown, field: string) => new RegExp(`^${field}:(\\S+)`, 'm').exec(String(text))?.[1] ?? '';
  const runId = read(server, 'run_id');
  const before = read(replication, 'master_replid2');
  return {
    runId: neverPromoted.test(before) ? runId : `${runId}:${before}`,
    replicationId: read(replication, 'master_replid'),
  };
}
