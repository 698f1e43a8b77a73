// Redis's append-only file ends inside a script, and Redis is killed again before it has written the file anew: nothing is lost
// behind the torn end, and the half before it, which comes to life then, counts for nothing (src/worker/rewrite-aof.ts).
import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { appendOnlyFile } from '../scripts/faults/append-only-file.ts';
import { holdsKey, walletKey } from '../src/wallet/keys.ts';
import { waitUntilReady } from '../src/wallet/redis.ts';
import { expectSound } from './faults/books.ts';
import { endOfValue, wordsOf } from './faults/resp.ts';
import { someOf } from './faults/seeded.ts';
import { openScene, type Scene } from './recover.scene.ts';

// Some seconds for a base file of some hundred keys: long enough to be killed in its midst. What was answered is in the file.
const slowly = ['--rdb-key-save-delay', '20000', '--appendfsync', 'always'];
let scene: Scene;

beforeAll(async () => {
  scene = await openScene({ redisArgs: slowly });
});

afterAll(() => scene.close());

beforeEach(() => expect.poll(scene.takesDecisions, { timeout: 20_000 }).toBe(true));

/** Leaves so many commands of the last transaction that wrote this key, and the beginning of the next one. */
function cutInside(file: string, key: string, commandsLeft: number): void {
  const bytes = readFileSync(file);
  let ends: number[] = [];
  let found = ends;
  for (let at = 0, end = endOfValue(bytes, 0); end !== undefined; at = end, end = endOfValue(bytes, at)) {
    const [name = '', first] = wordsOf(bytes.subarray(at, end), 2);
    if (name === 'MULTI') ends = [];
    else if (name !== 'SELECT') ends.push(end);
    if (first === key) found = ends;
    if (end === bytes.length) break;
  }
  const cutAt = found[commandsLeft - 1];
  if (cutAt === undefined || commandsLeft >= found.length) throw new Error('there is no such transaction');
  truncateSync(file, cutAt + 5);
}

const rewriting = () =>
  expect.poll(() => scene.redis.info('persistence'), { timeout: 10_000 }).toContain('aof_rewrite_in_progress:1');

/** Kills it with its child, as service managers do: that would keep everybody's connections open until it is done. */
async function restart(between: (file: string) => void = () => undefined): Promise<void> {
  const server = scene.farebox.redis;
  const { pid } = server;
  const [, dir = ''] = await scene.redis.config('GET', 'dir');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  await server.kill();
  for (const child of children.filter((one) => existsSync(`/proc/${one}`))) process.kill(child, 'SIGKILL');
  between(appendOnlyFile(dir));
  await server.restart();
}

const readRaw = async (id: string) => ({
  wallet: await scene.redis.hgetallBuffer(walletKey(scene.walletOf(id))),
  holds: await scene.redis.hlen(holdsKey(scene.walletOf(id))),
});

// Of: wallet, hold, deadline, record, entry, clock.
describe.each([
  { used: true, name: 'in a wallet that is used meanwhile', writes: [1, 4, 6] },
  { used: false, name: 'in a wallet that nobody uses meanwhile', writes: [1, 2, 5] },
])(
  'the first half of a hold $name never was, when Redis is killed again while it rewrites its file',
  ({ used, writes }) => {
    test.each(someOf(writes, 1))('%i of its writes were left', async (writesLeft) => {
      const [id, other] = [await scene.customer(), await scene.customer()];
      await scene.drained();
      const before = await readRaw(id);
      const torn = `torn ${id}`;
      const hold = () => {
        const body = { customer_id: id, asset: 'USD', amount: '30' };
        return scene.client.post('/v1/authorize', body, { 'idempotency-key': torn });
      };
      await scene.losing(() =>
        scene.withDrainStopped(async () => {
          expect((await hold()).status).toBe(200);
          await restart((file) => cutInside(file, walletKey(scene.walletOf(id)), writesLeft));
          await waitUntilReady(scene.redis, 10_000);
          expect(await readRaw(id)).toEqual(before);
        }),
      );
      expect((await scene.charge(other, '10', `other ${other}`)).status).toBe(200);
      if (used) expect((await scene.charge(id, '5', `after ${id}`)).status).toBe(200);
      await rewriting();
      await scene.losing(() => restart());
      // The half has come to life, or was written over.
      expect((await readRaw(id)).holds).toBe(!used && writesLeft > 1 ? 1 : 0);
      const again = await scene.charge(other, '10', `other ${other}`);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
      expect(await scene.account(other)).toEqual({ available: '90', held: '0' });
      const left = used ? '95' : '100';
      expect(await scene.account(id)).toEqual({ available: left, held: '0' });
      expect((await scene.client.get(`/v1/customers/${id}/wallet`)).body.freeze_reason).toBe(null);
      const asked = await hold();
      expect([asked.status, asked.headers.get('idempotent-replayed')]).toEqual([200, null]);
      expect(await scene.account(id)).toEqual({ available: used ? '65' : '70', held: '30' });
      await scene.drained();
      await expectSound(scene.sql);
    });
  },
);

// Of: scratch key, deletion, fields, hold, with its deadline where it comes from the ledger, clock, head.
describe.each([
  { name: 'loaded from the ledger', forget: () => scene.losing(() => scene.redis.flushall()), writes: [2, 3, 7] },
  {
    name: 'compared with the ledger',
    forget: () => scene.losing(() => restart()).then(rewriting),
    writes: [2, 3, 6],
  },
])('half of a wallet that was $name is not believed, when Redis is killed once more', ({ forget, writes }) => {
  test.each(someOf(writes, 1))('%i of the writes were left', async (writesLeft) => {
    const id = await scene.customer();
    await scene.hold(id, '30');
    await scene.drained();
    await forget();
    expect(await scene.account(id)).toEqual({ available: '70', held: '30' });
    await scene.losing(() => restart((file) => cutInside(file, walletKey(scene.walletOf(id)), writesLeft)));
    await rewriting();
    await scene.losing(() => restart());
    expect((await scene.client.get(`/v1/customers/${id}/wallet`)).body.freeze_reason).toBe(null);
    expect(await scene.account(id)).toEqual({ available: '70', held: '30' });
    await scene.drained();
    await expectSound(scene.sql);
  });
});
