// A gateway and a worker of several processes each: one port, money spent once, nobody held up by another, none lost.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { beganAt, waitUntil } from '../scripts/stores/process.ts';
import { connect, type Answer, type Connections } from './contract.connections.ts';
import { clientOf, expectStatus, startFarebox, type Farebox } from './farebox.ts';
import { startGateway, startWorker, type ProcessOptions, type RoleProcess } from './faults/processes.ts';

const startBoundMs = 45_000;
let farebox: Farebox;
let options: ProcessOptions;
let gateway: RoleProcess;
const opened: Connections[] = [];

beforeAll(async () => {
  farebox = await startFarebox({ worker: false });
  const { databaseUrl, redisUrl, bootstrapKey = '' } = farebox.config;
  options = {
    folder: mkdtempSync(join(inject('stores').folder, 'processes-')),
    env: {
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      FAREBOX_BOOTSTRAP_KEY: bootstrapKey,
      FAREBOX_PROCESSES: '2',
    },
  };
  gateway = await startGateway(options);
  await untilServing([1, 2]);
});

afterAll(async () => {
  for (const connection of opened) connection.close();
  await gateway.kill();
  await farebox.stop();
});

/** A connection of its own, and to whom it leads. */
async function open(secret = farebox.key): Promise<{ process: number; connection: Connections }> {
  const connection = connect(gateway.url, secret, 1);
  opened.push(connection);
  const { body } = await connection.get('/readyz');
  return { process: body.dependencies.gateway.process, connection };
}

/** One to each of two, in the order of their numbers. Who has no turn to take one is given fewer. */
async function openToBoth(secret?: string): Promise<Connections[]> {
  const found = new Map<number, Connections>();
  for (let tries = 0; found.size < 2 && tries < 20; tries += 1) {
    const { process, connection } = await open(secret);
    found.set(process, connection);
  }
  expect(found.size).toBe(2);
  return [...found].toSorted(([a], [b]) => a - b).map(([, connection]) => connection);
}

/** Numbers and process ids, as the log has them. */
function started(role: RoleProcess): Map<number, number> {
  const lines = role.log().matchAll(/"process":(\d+),"pid":(\d+).*"msg":"(?:gateway listens|worker runs)"/g);
  return new Map([...lines].map(([, number, pid]) => [Number(number), Number(pid)]));
}

async function untilServing(numbers: number[]): Promise<void> {
  const { get } = clientOf(gateway.url, undefined);
  const serving = async () => (await get('/readyz')).body.dependencies.gateway;
  const isSo = async () =>
    (await serving()).serving === numbers.length && numbers.every((number) => started(gateway).has(number));
  expect(await waitUntil(isSo, startBoundMs, 50)).toBe(true);
}

const charge = (connection: Connections, customer: string, key: string): Promise<Answer> =>
  connection.post('/v1/charge', { customer_id: customer, asset: 'USD', amount: '1' }, { 'idempotency-key': key });

async function shown(connection: Connections, pattern: RegExp): Promise<number> {
  const { text } = await connection.get('/metrics');
  return [...text.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}
const chargesShown = (connection: Connections) =>
  shown(connection, /^farebox_request_duration_seconds_count\{.*route="\/v1\/charge".*\} (\d+)$/gm);

test('connections go to all processes, a key is one operation at all processes, and whoever is asked counts for all', async () => {
  const id = await farebox.customer('spread', '100');
  const eight = [...(await openToBoth()), ...(await openToBoth()), ...(await openToBoth()), ...(await openToBoth())];
  const answers = await Promise.all(eight.map((connection) => charge(connection, id, 'once')));
  expect(answers.map(({ status }) => status)).toEqual(eight.map(() => 200));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  for (const connection of eight) {
    await expect.poll(() => chargesShown(connection)).toBe(8);
    expect(await shown(connection, /^farebox_processes\{role="gateway"\} (\d+)$/gm)).toBe(2);
    expect(await shown(connection, /^farebox_partitions_open\{role="gateway"\} (\d+)$/gm)).toBe(256);
  }
});

test('a key that was revoked at one process is refused at all', async () => {
  const made = await expectStatus(farebox.client.post('/v1/keys', { name: 'gone', scopes: ['read'] }), 201);
  const both = await openToBoth(made.body.secret);
  for (const connection of both) expect((await connection.get('/v1/assets')).status).toBe(200);
  expect((await farebox.client.send('DELETE', `/v1/keys/${made.body.id}`)).status).toBeLessThan(300);
  for (const connection of both) {
    await expect.poll(async () => (await connection.get('/v1/assets')).status, { timeout: 10_000 }).toBe(401);
  }
});

test('a parent that stands still holds up nobody who is connected, nor does one process another', async () => {
  const id = await farebox.customer('still', '100');
  const [one, other] = (await openToBoth()) as [Connections, Connections];
  gateway.signal('SIGSTOP');
  try {
    for (const turn of [1, 2, 3]) {
      const answers = await Promise.all([one, other].map((connection, at) => charge(connection, id, `${turn} ${at}`)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    }
  } finally {
    gateway.signal('SIGCONT');
  }
  const pid = started(gateway).get(1)!;
  process.kill(pid, 'SIGSTOP');
  const waiting = charge(one, id, 'waits');
  try {
    for (const turn of [1, 2, 3]) expect((await charge(other, id, `alone ${turn}`)).status).toBe(200);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  expect((await waiting).status).toBe(200);
});

test('one that is killed is replaced while another answers, and what it had counted is counted still', async () => {
  const id = await farebox.customer('killed', '1000');
  const [killed, other] = (await openToBoth()) as [Connections, Connections];
  for (const turn of [1, 2, 3]) expect((await charge(killed, id, `before ${turn}`)).status).toBe(200);
  const before = await chargesShown(other);
  process.kill(started(gateway).get(1)!, 'SIGKILL');
  let answered = 0;
  const isReplaced = async () => {
    expect((await charge(other, id, `meanwhile ${answered}`)).status).toBe(200);
    answered += 1;
    return started(gateway).has(3);
  };
  expect(await waitUntil(isReplaced, startBoundMs, 50)).toBe(true);
  await untilServing([2, 3]);
  expect(gateway.log()).toContain('a process ended by itself: another takes its place');
  for (const connection of await openToBoth()) {
    await expect.poll(() => chargesShown(connection)).toBe(before + answered);
  }
});

test('what keeps them from starting is told once, and ends them all', async () => {
  const env = { ...options.env, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
  const none = await startGateway({ ...options, env }, { isEarly: true });
  expect((await none.exited).code).toBe(1);
  expect(none.log().match(/gateway cannot go on/g)).toHaveLength(1);
});

test('requests that lie unread, on kept connections or new ones, are answered after SIGTERM, and nothing is left', async () => {
  const id = await farebox.customer('stopped', '100');
  const kept = [...(await openToBoth()), ...(await openToBoth())];
  const pids = [...started(gateway)].filter(([number]) => number !== 1).map(([, pid]) => pid);
  const all = [gateway.pid, ...pids];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  const unread = [...kept, ...kept.map(() => connect(gateway.url, farebox.key, 1))];
  opened.push(...unread);
  const sentCount = () => unread.reduce((sum, connection) => sum + connection.sentCount(), 0);
  const sentBefore = sentCount();
  const answers = Promise.all(unread.map((connection, at) => charge(connection, id, `unread ${at}`)));
  expect(await waitUntil(() => sentCount() === sentBefore + unread.length, startBoundMs)).toBe(true);
  // On loopback what was sent has arrived.
  await sleep(50);
  gateway.signal('SIGTERM');
  for (const pid of all) process.kill(pid, 'SIGCONT');
  expect((await answers).map(({ status }) => status)).toEqual(unread.map(() => 200));
  expect((await gateway.exited).code).toBe(0);
  expect(pids.map(beganAt)).toEqual(pids.map(() => null));
});

test('processes of a worker carry all to the ledger, one that is killed is replaced, and none outlives their parent', async () => {
  const id = await farebox.customer('carried', '100');
  const versions = async () =>
    (await farebox.client.get(`/v1/customers/${id}/entries`)).body.data.map(({ version }: any) => version);
  const spend = () =>
    expectStatus(farebox.client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' }), 200);
  await spend();
  const worker = await startWorker(options);
  await expect.poll(versions, { timeout: startBoundMs }).toEqual([2, 1]);
  expect(await waitUntil(() => started(worker).has(2), startBoundMs)).toBe(true);
  process.kill(started(worker).get(1)!, 'SIGKILL');
  await spend();
  await expect.poll(versions, { timeout: startBoundMs }).toEqual([3, 2, 1]);
  expect(await waitUntil(() => started(worker).has(3), startBoundMs)).toBe(true);
  await worker.kill();
  const left = [2, 3].map((number) => started(worker).get(number)!);
  expect(await waitUntil(() => left.every((pid) => beganAt(pid) === null), startBoundMs)).toBe(true);
  expect(worker.log().match(/worker stopped/g)).toHaveLength(2);
});
