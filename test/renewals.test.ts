// Recurring grants: they renew at their instants, once each, whoever runs then, and whatever breaks off in between.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { refillRecurrence } from '../src/db/recurrences.ts';
import { openLog } from '../src/log.ts';
import { readTimeZone } from '../src/pricing/local-time.ts';
import { nextInstants } from '../src/pricing/recurrence.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { oneNode, sampleClocks } from '../src/wallet/nodes.ts';
import type { Store } from '../src/wallet/store.ts';
import { applyPendingCredits } from '../src/worker/apply-credits.ts';
import { renew } from '../src/worker/renewals.ts';
import { expectFieldError, expectProblem, startContract, type Contract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';
import { idsApart, moveClock } from './frozen-clock.ts';

const dayMs = 86_400_000;

let contract: Contract;
let client: Contract['client'];
let sql: Sql;
let redis: Redis;
let store: Store;
let environment: string;
let nextApart: ReturnType<typeof idsApart>;

beforeAll(async () => {
  contract = await startContract();
  client = contract.client;
  sql = openDatabase(contract.database.url, { connectionsMax: 4, name: 'test' });
  redis = new Redis(contract.redis.url, { protocol: 2 });
  store = await connectStore({
    sql,
    nodes: oneNode(redis),
    log: openLog('silent', 'test'),
    markDirty: () => {},
    onFenced: () => {},
  });
  await sampleClocks(store.nodes);
  const [found] = await sql<{ id: string }[]>`select id from environments where is_default`;
  environment = found!.id;
  nextApart = idsApart(environment);
});
afterAll(async () => {
  redis.disconnect();
  await sql.end();
});

const grantsOf = async (id: string): Promise<any[]> =>
  (await expectStatus(client.get(`/v1/customers/${id}/grants?limit=100`), 200)).body.data.toReversed();
const availableTo = async (id: string): Promise<string> => (await contract.walletOf(id)).accounts[0].available;
const ms = (at: string) => Date.parse(at);

/** In a partition of its own: another's clock that was moved there would be this one's, too. */
const customerAlone = (name: string): Promise<string> => contract.customer(nextApart(name).id);

/** Redis's clock where this customer's wallet is. */
const moveTo = (id: string, atMs: number) => moveClock(redis, walletOf(environment, id).partition, Math.floor(atMs));

describe('a recurring grant', () => {
  test('is replaced at its instant: what is left is lost, and what comes is what was asked for', async () => {
    const id = await customerAlone('replaced');
    const made = await contract.grant(id, '10', { recurrence: { each: 'month', time_zone: 'Europe/Berlin' } });
    const { recurrence } = made;
    expect(made).toMatchObject({ status: 'active', remaining: '10' });
    expect(recurrence).toMatchObject({ instance: 1, each: 'month', time_zone: 'Europe/Berlin', on_renew: 'replace' });
    const [first, second, third] = await grantsOf(id);
    expect(first).toEqual({ ...made, expires_at: second.effective_at });
    expect(second).toMatchObject({ status: 'scheduled', amount: '10', expires_at: third.effective_at });
    expect(second.recurrence).toEqual({ ...recurrence, instance: 2 });
    // The worker, by its queue, sees to those that are to be asked for.
    await sql`update recurrences set refill_at = to_timestamp(0) where id = ${recurrence.id}`;
    const later = () => sql`select from recurrences where id = ${recurrence.id} and refill_at > now()`;
    await expect.poll(later, { timeout: 20_000 }).toHaveLength(1);
    await expectStatus(client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '3' }), 200);
    expect(await availableTo(id)).toBe('7');
    await moveTo(id, ms(second.effective_at) - 1);
    expect(await availableTo(id)).toBe('7');
    await moveTo(id, ms(second.effective_at));
    expect(await availableTo(id)).toBe('10');
    const entries = await contract.entriesOf(id);
    const at = entries.filter(({ occurred_at }) => occurred_at === second.effective_at);
    expect(at.map(({ kind, amount }) => `${kind} ${amount}`).sort()).toEqual(['activate_grant 10', 'expire_grant -7']);
    expect(at.find(({ kind }) => kind === 'activate_grant')).toMatchObject({
      grant_id: second.id,
      recurrence: { id: recurrence.id, instance: 2 },
    });
  });

  test('accumulates, or is rolled over in part until its own end', async () => {
    const id = await customerAlone('kept');
    await contract.grant(id, '10', { recurrence: { each: 'day' }, on_renew: 'accumulate' });
    const rollover = { fraction: '0.5', maximum: '3', periods: 1 };
    await contract.grant(id, '8', { recurrence: { each: 'day' }, on_renew: 'rollover', rollover, priority: 10 });
    const rolling = (await grantsOf(id)).filter(({ amount }) => amount === '8');
    expect(rolling[0].recurrence.rollover).toEqual(rollover);
    await expectStatus(client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '4' }), 200);
    await moveTo(id, ms(rolling[1].effective_at));
    // 2 of 4 live on for a day, beside 8 and twice 10.
    expect(await availableTo(id)).toBe('30');
    const [first] = (await grantsOf(id)).filter(({ amount }) => amount === '8');
    expect(first).toMatchObject({ status: 'active', remaining: '2', expires_at: rolling[2].effective_at });
    await moveTo(id, ms(rolling[2].effective_at));
    // Of 8, 3 at most.
    expect(await availableTo(id)).toBe('41');
    const kinds = (await contract.entriesOf(id)).map(({ kind, amount }) => `${kind} ${amount}`);
    expect(kinds).toContain('roll_over_grant -2');
    expect(kinds).toContain('roll_over_grant -5');
    expect(kinds).toContain('expire_grant -2');
  });

  test('ends with a void of one of its instances; a cancel leaves the one in force', async () => {
    const id = await customerAlone('ended');
    const made = await contract.grant(id, '10', { recurrence: { each: 'week' } });
    await contract.grant(id, '1', { recurrence: { each: 'week' }, description: 'kept' });
    const canceled = (await grantsOf(id)).find(({ description }) => description === 'kept');
    const path = `/v1/customers/${id}/grants`;
    const { body } = await expectStatus(client.post(`${path}/${canceled.id}/cancel`, {}), 200);
    expect(body).toMatchObject({ status: 'active', remaining: '1', recurrence: { canceled_at: expect.any(String) } });
    const again = await expectStatus(client.post(`${path}/${canceled.id}/cancel`, {}), 200);
    expect(again.body).toEqual(body);
    expect((await expectStatus(client.post(`${path}/${made.id}/void`, {}), 200)).body.voided).toBe('10');
    const states = async () => (await grantsOf(id)).map(({ amount, status }) => `${amount} ${status}`).sort();
    expect(new Set(await states())).toEqual(new Set(['1 active', '1 voided', '10 voided']));
    const before = (await states()).length;
    await renew(sql, store, Date.now() + 60 * dayMs);
    expect(await states()).toHaveLength(before);
    const plain = await contract.grant(id, '1');
    expectProblem(await client.post(`${path}/${plain.id}/cancel`, {}), 409, 'grant_not_recurring');
  });

  test.each([
    [{ on_renew: 'replace' }, 'on_renew'],
    [{ recurrence: { each: 'day', time_zone: '+02:00' } }, 'recurrence.time_zone'],
    [{ recurrence: { each: 'year' } }, 'recurrence.each'],
    [{ recurrence: { each: 'day' }, expires_at: '2099-01-01T00:00:00Z' }, 'expires_at'],
    [{ recurrence: { each: 'day' }, on_renew: 'rollover' }, 'rollover'],
    [{ recurrence: { each: 'day' }, rollover: { fraction: '0.5' } }, 'rollover'],
    [{ recurrence: { each: 'day' }, on_renew: 'rollover', rollover: { fraction: '0.0' } }, 'rollover.fraction'],
    [{ recurrence: { each: 'day' }, on_renew: 'rollover', rollover: { fraction: '1.5' } }, 'rollover.fraction'],
    [{ recurrence: { each: 'day' }, effective_at: '2020-01-01T00:00:00Z' }, 'effective_at'],
  ])('%j is refused, and %s is named', async (terms, field) => {
    const { id } = (await client.post('/v1/customers', {})).body;
    expectFieldError(await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '1', ...terms }), field);
  });
});

test('the plan of the guide: an allowance each month, then what was paid', async () => {
  const [, text] = /^```json plan\n([\s\S]*?)^```$/m.exec(readFileSync('docs/pricing.md', 'utf8')) ?? [];
  const { price, grants, months } = JSON.parse(text ?? '') as {
    price: object;
    grants: object[];
    months: { tokens: number; left: { included: string; paid: string } }[];
  };
  await expectStatus(client.post('/v1/products', { id: 'plan', name: 'Plan', prices: [price] }), 201);
  await expectStatus(client.post('/v1/products/plan/versions/1/publish'), 200);
  const id = await customerAlone('plan');
  await expectStatus(client.post(`/v1/customers/${id}/subscriptions`, { product_id: 'plan' }), 201);
  for (const grant of grants) await expectStatus(client.post(`/v1/customers/${id}/grants`, grant), 201);
  const starts = (await grantsOf(id)).filter(({ recurrence }) => recurrence).map((grant) => grant.effective_at);
  for (const [month, { tokens, left }] of months.entries()) {
    if (month > 0) await moveTo(id, ms(starts[month]));
    const event = { customer_id: id, event_type: 'chat', data: { tokens } };
    await expectStatus(client.post('/v1/charge', event), 200);
    const [account] = (await contract.walletOf(id)).accounts;
    const remaining = (purpose: string) => account.grants.find((grant: any) => grant.purpose === purpose)?.remaining;
    expect({ included: remaining('bundled') ?? '0', paid: remaining('paid') }).toEqual(left);
  }
});

/** What happens between two looks; `days` go by, of Redis's clock. */
type Happening = { days: number; what: 'nothing' | 'renewed' | 'by two' | 'killed before it applied' };

const happening = fc.record<Happening>({
  days: fc.integer({ min: 0, max: 75 }),
  what: fc.constantFrom('nothing', 'renewed', 'by two', 'killed before it applied'),
});
const story = fc.record({
  each: fc.constantFrom('day' as const, 'week' as const, 'month' as const),
  zone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Africa/Casablanca'),
  // The 31st, and an hour that clocks skip or show twice.
  anchor: fc.constantFrom(Date.UTC(2026, 0, 31, 1, 30), Date.UTC(2026, 2, 29, 1, 30), Date.UTC(2025, 9, 26, 0, 30)),
  happenings: fc.array(happening, { minLength: 1, maxLength: 4 }),
});

async function happen(recurrenceId: string, nowMs: number, what: Happening['what']): Promise<void> {
  switch (what) {
    case 'nothing':
      return;
    case 'renewed':
      await renew(sql, store, nowMs);
      return;
    case 'by two':
      await Promise.all([renew(sql, store, nowMs), renew(sql, store, nowMs)]);
      return;
    case 'killed before it applied': {
      await refillRecurrence(sql, { environmentId: environment, id: recurrenceId }, nowMs);
      await lookAtPending();
    }
  }
}

async function lookAtPending(): Promise<void> {
  await sql`update credits set attempted_at = now() - interval '1 minute' where state = 'pending'`;
  await applyPendingCredits(sql, store);
}

test('renewals are neither doubled nor left out, whatever the zone, and whoever was away or killed', async () => {
  const seed = randomInt(2 ** 31);
  let told = 0;
  const once = fc.asyncProperty(story, async ({ each, zone, anchor, happenings }) => {
    told += 1;
    const id = await customerAlone(`story-${seed}-${told}`);
    const recurrence = { each, time_zone: zone, anchor: new Date(anchor).toISOString() };
    const made = await contract.grant(id, '1', { recurrence, on_renew: 'accumulate' });
    const startMs = ms(made.effective_at);
    let nowMs = startMs;
    for (const { days, what } of happenings) {
      nowMs += days * dayMs;
      await moveTo(id, nowMs);
      await happen(made.recurrence.id, nowMs, what);
    }
    await renew(sql, store, nowMs);
    const read = readTimeZone(zone);
    if (read.status !== 'ok') throw new Error(zone);
    const terms = { each, timeZone: read.timeZone, anchorMs: anchor };
    const due = nextInstants(terms, startMs, 500).filter((atMs) => atMs <= nowMs);
    // What was asked for and not applied waits until the ledger is sure that it was not; nobody waits for the next look.
    const afterLook = async () => {
      await lookAtPending();
      return availableTo(id);
    };
    await expect.poll(afterLook, { timeout: 60_000, interval: 500 }).toBe(String(1 + due.length));
    const rows = await sql<{ instance: number; at: number }[]>`
      select instance, (extract(epoch from effective_at) * 1000)::float8 as at from credits
      where recurrence_id = ${made.recurrence.id} order by instance`;
    expect(rows.map(({ instance }) => instance)).toEqual(rows.map((_, i) => i + 1));
    expect(rows.slice(1, due.length + 1).map(({ at }) => at)).toEqual(due);
  });
  await fc.assert(once, { seed, numRuns: 4, endOnFailure: true });
}, 400_000);

test('after Redis lost everything, and a worker was away, each renewal has come once, and the ledger is sound', async () => {
  const id = await customerAlone('flushed');
  const rollover = { fraction: '0.25' };
  const made = await contract.grant(id, '8', { recurrence: { each: 'week' }, on_renew: 'rollover', rollover });
  await moveTo(id, ms(made.effective_at) + 8 * dayMs);
  const before = await contract.walletOf(id);
  expect(before.accounts[0].available).toBe('10');
  await contract.entriesOf(id);
  await redis.flushall();
  await expect.poll(() => contract.walletOf(id).catch(() => undefined), { timeout: 20_000 }).toEqual(before);
  await store.refresh();
  const laterMs = ms(made.effective_at) + 71 * dayMs;
  await moveTo(id, laterMs);
  await renew(sql, store, laterMs);
  // Ten weeks: a quarter of each of ten, and the eleventh whole.
  expect(await availableTo(id)).toBe('28');
  await contract.entriesOf(id);
  expect((await audit(sql)).proofs.filter(({ failed }) => failed > 0)).toEqual([]);
}, 60_000);
