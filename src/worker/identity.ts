// Which run of which Redis we are connected to.
import type { OutboxRedis } from '../outbox/read.ts';

/** `runId` is new at each start; `replicationId` where a replica was promoted. */
export type Identity = { runId: string; replicationId: string };

export async function readIdentity(redis: OutboxRedis): Promise<Identity> {
  const [server, replication] = await Promise.all([
    redis.call('INFO', ['server']),
    redis.call('INFO', ['replication']),
  ]);
  const read = (text: unknown, field: string) => new RegExp(`^${field}:(\\S+)`, 'm').exec(String(text))?.[1] ?? '';
  return { runId: read(server, 'run_id'), replicationId: read(replication, 'master_replid') };
}
