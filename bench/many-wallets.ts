// Wallets by the million: one is made through the API, and all others are written like it, in bulk, into both stores.
//
// In Postgres each has its customer, its credit, its grant, its account and an entry with its transfers, in the order of its
// partition's seqs; the audit finds these books sound. In Redis each has a hash of the very bytes that the scripts wrote.
// What such wallets would have besides has expired long ago: what was answered to their callers.
import { partitionsCount } from '../src/limits.ts';
import type { Sql } from '../src/db/connect.ts';
import { clockKey, outboxKey, walletKey, walletOf } from '../src/wallet/keys.ts';
import type { connectRedis } from '../src/wallet/redis.ts';

type Redis = ReturnType<typeof connectRedis>;
export type Model = { environmentId: string; customerId: string };

export const customerOf = (no: number): string => `many_${no}`;
const sliceCount = 50_000;
const batchCount = 2_000;

/** In Postgres and in Redis; nobody else may write meanwhile, and what the model has was drained. */
export async function fillWallets(
  stores: { sql: Sql; redis: Redis },
  model: Model,
  count: number,
  say: (line: string) => void,
): Promise<void> {
  await fillPostgres(stores.sql, model, count, say);
  await fillRedis(stores.redis, model, count, say);
  await raiseClocks(stores);
}

// By table: what is not the model's own. `seq` goes on from where the partition is.
const differing: Record<string, Record<string, string>> = {
  customers: { id: 'made.id', wallet_id: 'made.wallet_id', operation_id: `'customer ' || made.id` },
  wallets: { customer_id: 'made.id', wallet_id: 'made.wallet_id', partition: 'made.partition' },
  credits: { customer_id: 'made.id', wallet_id: 'made.wallet_id', operation_id: `'credit ' || made.id` },
  accounts: { wallet_id: 'made.wallet_id' },
  grants: { wallet_id: 'made.wallet_id' },
  entries: {
    wallet_id: 'made.wallet_id',
    partition: 'made.partition',
    seq: 'made.seq',
    operation_id: `'credit ' || made.id`,
  },
  transfers: { wallet_id: 'made.wallet_id' },
};

async function fillPostgres(sql: Sql, model: Model, count: number, say: (line: string) => void): Promise<void> {
  const { walletId, partition: ofModel } = walletOf(model.environmentId, model.customerId);
  const [{ epoch } = { epoch: 0 }] = await sql<{ epoch: number }[]>`select max(epoch) as epoch from partitions`;
  const session = await sql.reserve();
  try {
    // Foreign keys hold by construction; to look at each takes longer than all the rest.
    await session`set session_replication_role = replica`;
    await session`set synchronous_commit = off`;
    await session`set statement_timeout = 0`;
    await session`
      create temporary table made as
      select id, rtrim(translate(encode(digest, 'base64'), '+/', '-_'), '=') as wallet_id, get_byte(digest, 15)::smallint as partition,
        0::bigint as seq, no
      from generate_series(0, ${count - 1}::integer) as series (no)
      cross join lateral (select 'many_' || no as id) as named
      cross join lateral (
        select substring(sha256(convert_to(${model.environmentId}, 'UTF8') || '\\x00'::bytea || convert_to(id, 'UTF8')) for 16) as digest
      ) as hashed`;
    await session`
      create temporary table made_in_order as
      select made.id, made.wallet_id, made.partition, made.no,
        partitions.seq + row_number() over (partition by made.partition order by made.no) as seq
      from made join partitions using (partition)`;
    await session`create index on made_in_order (no)`;
    for (const [table, columns] of Object.entries(differing)) {
      const all = await session<{ name: string }[]>`
        select column_name as name from information_schema.columns
        where table_schema = 'public' and table_name = ${table} order by ordinal_position`;
      const names = all.map(({ name }) => name);
      const values = names.map((name) => columns[name] ?? `model.${name}`);
      for (let from = 0; from < count; from += sliceCount) {
        await session.unsafe(
          `insert into ${table} (${names.join(', ')}) select ${values.join(', ')} from ${table} as model cross join made_in_order as made
           where model.environment_id = $1 and model.wallet_id = $2 and made.no >= $3 and made.no < $4 order by made.no`,
          [model.environmentId, walletId, from, Math.min(from + sliceCount, count)],
        );
      }
      say(`Postgres: ${count} ${table}`);
    }
    await session`
      insert into environment_accounts (environment_id, asset, account, partition, balance)
      select model.environment_id, model.asset, model.account, made.partition, model.balance * made.count
      from environment_accounts as model cross join (select partition, count(*) from made group by 1) as made
      where model.partition = ${ofModel} and model.environment_id = ${model.environmentId}
      on conflict (environment_id, asset, account, partition)
      do update set balance = environment_accounts.balance + excluded.balance`;
    await session`
      update partitions set seq = last.seq from (select partition, max(seq) as seq from made_in_order group by 1) as last
      where partitions.partition = last.partition and epoch = ${epoch}`;
    await session`drop table made, made_in_order`;
    await session`analyze`;
  } finally {
    await session`reset all`;
    session.release();
  }
}

async function fillRedis(redis: Redis, model: Model, count: number, say: (line: string) => void): Promise<void> {
  const { environmentId } = model;
  const fields = await redis.hgetallBuffer(walletKey(walletOf(environmentId, model.customerId)));
  const same = Object.entries(fields).filter(([name]) => name !== 'c');
  for (let from = 0; from < count; from += batchCount) {
    const pipeline = redis.pipeline();
    for (let no = from; no < Math.min(from + batchCount, count); no += 1) {
      const id = customerOf(no);
      pipeline.hset(walletKey(walletOf(environmentId, id)), ...same.flat(), 'c', id);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
    if ((from + batchCount) % 100_000 === 0) say(`Redis: ${from + batchCount} wallets`);
  }
}

/** Each partition's clock, and the newest entry that its stream has had, are where the ledger is. */
async function raiseClocks({ sql, redis }: { sql: Sql; redis: Redis }): Promise<void> {
  const rows = await sql<
    { partition: number; epoch: number; seq: bigint }[]
  >`select partition, epoch, seq from partitions`;
  if (rows.length !== partitionsCount) throw new Error(`expected ${partitionsCount} partitions, got ${rows.length}`);
  for (const { partition, epoch, seq } of rows) {
    const clock = await redis.getBuffer(clockKey(partition));
    if (!clock) throw new Error(`partition ${partition} has no clock`);
    clock.writeDoubleBE(Number(seq), 0);
    await redis.set(clockKey(partition), clock);
    if (await redis.exists(outboxKey(partition, epoch))) await redis.xtrim(outboxKey(partition, epoch), 'MAXLEN', 0);
  }
}
