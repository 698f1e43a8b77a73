// The load: clients that grant, authorize, charge, settle, release and extend, on few wallets, and repeat themselves.
//
// What each client asks for comes from the seed alone, as far as the answers let it; in which order the clients' requests
// arrive does not, and is what the campaign is about. Credit comes in small amounts, so that "no" is as frequent as "yes".
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf, type Random } from '../../test/faults/seeded.ts';
import type { Client } from './client.ts';
import { eventTypes } from './pricing.ts';
import { isInDoubt, isYes, verdictOf, type Body, type Kind, type Reply, type Request } from './history.ts';

export type Load = {
  /** Those that may be asked now. */
  readonly gateways: () => readonly Client[];
  readonly seed: number;
  readonly customers: readonly string[];
  readonly clientsPerCustomer: number;
  readonly requests: Request[];
  /** There are prices for them. */
  readonly hasEvents: boolean;
  readonly long?: Long | undefined;
  readonly isOver: () => boolean;
};

/** A load that lasts for minutes: wallets don't run dry, and a client takes a pause after each step. */
export type Long = { readonly credit: string; readonly pauseMsMax: number };

/** All clients, until it is over. */
export async function runLoad(load: Load): Promise<void> {
  const { customers, clientsPerCustomer } = load;
  await Promise.all(
    customers.flatMap((customerId, customerNo) =>
      Array.from({ length: clientsPerCustomer }, (_, clientNo) => {
        const clientSeed = load.seed * 1_000_003 + customerNo * 1_009 + clientNo;
        return live(load, customerId, randomOf(clientSeed), `${load.seed}.${customerNo}.${clientNo}`);
      }),
    ),
  );
}

type Life = {
  load: Load;
  customerId: string;
  random: Random;
  holds: string[];
  /** Of holds that were let go of. */
  past: string[];
  grants: string[];
  /** Its own operations, to be sent again long after. */
  asked: Request[];
  nextKey: () => string;
  /** What it does beside. */
  ambushes: Promise<unknown>[];
};

/** Until a client looks again where no gateway is. */
const nobodyMs = 50;
const holdsMax = 6;
const longMs = 10_000;
const ambushLeadMs = 4;
const ambushersCount = 6;

async function live(load: Load, customerId: string, random: Random, keyPrefix: string): Promise<void> {
  let keys = 0;
  const nextKey = () => `${keyPrefix}.${(keys += 1)}`;
  const life: Life = { load, customerId, random, holds: [], past: [], grants: [], asked: [], nextKey, ambushes: [] };
  if (load.long) await credit(life, load.long.credit);
  while (!load.isOver()) {
    if (load.gateways().length > 0) await step(life);
    else await sleep(nobodyMs);
    if (load.long) await sleep(random.between(0, load.long.pauseMsMax));
  }
  await Promise.all(life.ambushes);
}

/** Weights, out of their sum. */
const steps: readonly [number, (life: Life) => Promise<unknown>][] = [
  [12, grant],
  [2, voidGrant],
  [18, charge],
  [3, shadow],
  [26, authorize],
  [6, extend],
  [5, settlePart],
  [16, settle],
  [8, release],
  [4, bothEnds],
  [3, settleAgain],
  [4, echo],
];
const stepsWithEvents: typeof steps = [
  ...steps,
  [8, grant],
  [20, chargeEvent],
  [20, authorizeEvent],
  [4, shadowEvent],
  [14, settleEvent],
];

async function step(life: Life): Promise<void> {
  const choice = life.load.hasEvents ? stepsWithEvents : steps;
  let dice = life.random.next() * choice.reduce((sum, [weight]) => sum + weight, 0);
  const chosen = choice.find(([weight]) => (dice -= weight) < 0);
  await chosen?.[1](life);
}

const cents = (random: Random, most: number): string => String(random.between(0, most * 100) / 100);
const assetOf = ({ random, load }: Life): string => (random.chance(load.hasEvents ? 0.6 : 0.9) ? 'USD' : 'EUR');

async function grant(life: Life): Promise<void> {
  const { customerId, random, grants, nextKey } = life;
  const fromNow = (leastMs: number, mostMs: number) =>
    new Date(Date.now() + random.between(leastMs, mostMs)).toISOString();
  const asset = assetOf(life);
  const body = {
    asset,
    amount: String(random.between(1, 30)),
    purpose: random.pick(['promotional', 'bundled', 'paid']),
    ...(random.chance(0.3) && { priority: random.between(0, 100) }),
    ...(random.chance(0.2) && { effective_at: fromNow(300, 1_500) }),
    ...(random.chance(0.3) && { expires_at: fromNow(2_000, 5_000) }),
  };
  const path = `/v1/customers/${customerId}/grants`;
  const yes = await ask(life, { kind: 'grant', customerId, path, body, key: nextKey() });
  if (yes && asset === 'USD') grants.push(String(yes['id']));
  const { expires_at } = body as { expires_at?: string };
  if (yes && expires_at !== undefined && random.chance(0.3))
    life.ambushes.push(ambush(life, asset, Date.parse(expires_at)));
}

/** Shortly after its deadline, whether the sweep has been there or not. */
async function settleAtDeadline(life: Life, id: string, ttlMs: number): Promise<void> {
  const { load, random } = life;
  await sleep(ttlMs + random.between(0, 200));
  if (!load.isOver()) await onHold({ ...life, holds: [id], past: [] }, 'settle', { amount: cents(random, 5) });
}

/** Several requests around the instant at which a grant expires: one of them, perhaps, in that very millisecond. */
async function ambush(life: Life, asset: string, atMs: number): Promise<void> {
  const { load, customerId, nextKey } = life;
  await sleep(Math.max(0, atMs - Date.now() - ambushLeadMs));
  if (load.isOver()) return;
  const body = { customer_id: customerId, asset, amount: '0.001' };
  const charges = Array.from({ length: ambushersCount }, () =>
    ask(life, { kind: 'charge', customerId, path: '/v1/charge', body, key: nextKey() }),
  );
  await Promise.all(charges);
}

async function voidGrant(life: Life): Promise<void> {
  const { customerId, grants, nextKey } = life;
  const id = grants.shift();
  if (id === undefined) return;
  const path = `/v1/customers/${customerId}/grants/${id}/void`;
  await ask(life, { kind: 'void', customerId, path, body: {}, key: nextKey() });
}

async function spend(life: Life, kind: 'charge' | 'authorize', more: Body, most: number) {
  const { customerId, random, nextKey } = life;
  const body = { customer_id: customerId, asset: assetOf(life), amount: cents(random, most), ...more };
  return ask(life, { kind, customerId, path: `/v1/${kind}`, body, key: nextKey() });
}

const modeOf = (random: Random): Body => (random.chance(0.25) ? { mode: 'up_to' } : {});

async function charge(life: Life): Promise<void> {
  await spend(life, 'charge', modeOf(life.random), 8);
}

async function shadow(life: Life): Promise<void> {
  await spend(life, life.random.pick(['charge', 'authorize']), { mode: 'shadow' }, 12);
}

async function authorize(life: Life): Promise<void> {
  const { random, holds } = life;
  // Some run out in the midst of it, some never.
  const ttl_ms = random.chance(0.25) ? random.between(1_000, 2_500) : 3_600_000;
  const yes = await spend(life, 'authorize', { ttl_ms, ...modeOf(random) }, 12);
  if (!yes) return;
  const id = String(yes['id']);
  if (ttl_ms < longMs && random.chance(0.3)) life.ambushes.push(settleAtDeadline(life, id, ttl_ms));
  else holds.push(id);
  // A client that forgets a hold leaves it to its deadline.
  if (holds.length > holdsMax) await release(life);
}

function eventOf(random: Random) {
  const count = random.between(0, 400);
  return { event: { event_type: random.pick(eventTypes) }, data: { tokens: count, characters: count } };
}

async function spendEvent(life: Life, kind: 'charge' | 'authorize', more: Body) {
  const { customerId, random, nextKey } = life;
  const { event, data } = eventOf(random);
  const body = { customer_id: customerId, ...event, ...more };
  return ask(life, { kind, customerId, path: `/v1/${kind}`, body, data, key: nextKey() });
}

async function chargeEvent(life: Life): Promise<void> {
  await spendEvent(life, 'charge', {});
}

async function shadowEvent(life: Life): Promise<void> {
  await spendEvent(life, life.random.pick(['charge', 'authorize']), { mode: 'shadow' });
}

async function authorizeEvent(life: Life): Promise<void> {
  const { random, holds } = life;
  const ttl_ms = random.chance(0.25) ? random.between(1_000, 2_500) : 3_600_000;
  const yes = await spendEvent(life, 'authorize', { ttl_ms });
  if (yes) holds.push(String(yes['id']));
  if (holds.length > holdsMax) await release(life);
}

/** Whatever the hold is in: money, or another event. */
async function settleEvent(life: Life): Promise<void> {
  const { random } = life;
  const isPart = random.chance(0.3);
  const terms = { on_excess: random.pick(['charge', 'cap']), ...(isPart && { final: false }) };
  const { event, data } = eventOf(random);
  await onHold(life, 'settle', { ...event, ...terms }, { ends: !isPart, data });
}

type How = { ends?: boolean; data?: Request['data'] | undefined };

async function onHold(life: Life, kind: Kind, body: Body, { ends = false, data }: How = {}): Promise<void> {
  const { customerId, holds, past, nextKey } = life;
  const id = ends ? holds.shift() : holds[0];
  if (id === undefined) return;
  if (ends) past.push(id);
  await ask(life, { kind, customerId, path: `/v1/holds/${id}/${kind}`, body, ...(data && { data }), key: nextKey() });
}

async function extend(life: Life): Promise<void> {
  await onHold(life, 'extend', life.random.chance(0.4) ? { ttl_ms: 3_000 } : { amount: cents(life.random, 5) });
}

async function settlePart(life: Life): Promise<void> {
  await onHold(life, 'settle', { amount: cents(life.random, 4), final: false });
}

async function release(life: Life): Promise<void> {
  await onHold(life, 'release', {}, { ends: true });
}

async function settle(life: Life): Promise<void> {
  const { random } = life;
  const on_excess = random.pick(['charge', 'charge', 'cap', 'reject']);
  await onHold(life, 'settle', { amount: cents(random, 14), on_excess }, { ends: true });
}

/** Both at once: one of them ends the hold. */
async function bothEnds(life: Life): Promise<void> {
  const id = life.holds[0];
  await Promise.all([settle(life), id === undefined ? undefined : onHold({ ...life, holds: [id] }, 'release', {})]);
}

/** A hold that has ended long ago, under a key of its own: refused, or settled late and refused from then on. */
async function settleAgain(life: Life): Promise<void> {
  const { random, past } = life;
  if (past.length === 0) return;
  const id = random.pick(past.slice(-rememberedMax));
  const once = () => onHold({ ...life, holds: [id], past: [] }, 'settle', { amount: cents(random, 3) }, { ends: true });
  // Two at once find it expired, both of them.
  await Promise.all([once(), once()]);
}

/** An operation of long ago is sent once more: as a client that lost its notes. */
async function echo({ load, random, asked }: Life): Promise<void> {
  if (asked.length === 0) return;
  await send(load, random, random.pick(asked.slice(-rememberedMax)));
}

const rememberedMax = 20;

type Question = Omit<Request, 'attempts'>;

/** Asks under a new key, again where the outcome is unknown, and now and then again for no reason. */
async function ask(life: Life, question: Question): Promise<Body | undefined> {
  const { load, random, asked } = life;
  const request: Request = { ...question, attempts: [] };
  load.requests.push(request);
  // Some clients send twice at once, to two gateways.
  const twin = random.chance(0.04) ? send(load, random, request) : undefined;
  await Promise.all([send(load, random, request), twin]);
  if (verdictOf(request) === 'open') await retry(load, random, request);
  const yes = yesOf(request);
  if (yes) asked.push(request);
  else await topUpAfterNo(life, request);
  // After a "no" credit may have come in.
  const isDeclined = request.attempts.at(-1)?.reply?.status === 402;
  if ((yes && random.chance(0.03)) || (isDeclined && random.chance(0.1))) await send(load, random, request);
  const moved = question.body['amount'] !== undefined && question.body['mode'] !== 'shadow';
  if (yes && moved && random.chance(0.02)) await reuseKey(load, random, question);
  return yesOf(request)?.body;
}

const yesOf = ({ attempts }: Request): Reply | undefined => attempts.find(({ reply }) => isYes(reply))?.reply;

/**
 * Told no, some customers put money in, and all where there was a doubt: what is still on its way could be paid for now, and
 * must not be. A gateway may have had a doubt that its client knows nothing of.
 */
async function topUpAfterNo(life: Life, { attempts, body, kind }: Request): Promise<void> {
  const { random } = life;
  if (kind === 'grant' || attempts.at(-1)?.reply?.status !== 402) return;
  if (!attempts.some(({ reply }) => isInDoubt(reply)) && !random.chance(0.2)) return;
  await credit(life, '20', String(body['asset'] ?? 'USD'));
}

async function credit(life: Life, amount: string, asset = 'USD'): Promise<void> {
  const { customerId, nextKey } = life;
  const path = `/v1/customers/${customerId}/grants`;
  await ask(life, { kind: 'grant', customerId, path, body: { asset, amount }, key: nextKey() });
}

/** The same key for another amount: a mistake, and to be refused. */
async function reuseKey(load: Load, random: Random, question: Question): Promise<void> {
  const body = { ...question.body, amount: '0.000000007' };
  const request: Request = { ...question, body, attempts: [], reusesKey: true };
  load.requests.push(request);
  await send(load, random, request);
}

/** As long as an attempt on its way may still arrive: after that, what a gateway says is final (ARCHITECTURE, no debit after a "no"). */
const doubtMs = 1_200;

async function retry(load: Load, random: Random, request: Request): Promise<void> {
  await sleep(pauseAfter(request, random));
  if (!load.isOver()) await send(load, random, request);
}

function pauseAfter({ attempts }: Request, random: Random): number {
  // A gateway that says "unknown" has waited by itself; one that died has not.
  return attempts.some(({ reply }) => reply === undefined) ? doubtMs : random.between(0, 150);
}

async function send(load: Load, random: Random, request: Request): Promise<void> {
  const gateways = load.gateways();
  const attempt = gateways.length === 0 ? undefined : await random.pick(gateways).send(request);
  if (attempt) request.attempts.push(attempt);
  // Nothing listens there: as a client behind a balancer, which is a moment slower than the fault.
  else await sleep(nobodyMs);
  if (attempt && attempt.reply?.status === 503) await sleep(random.between(5, 60));
}

/** Asks until each answer is yes or no; what is left in doubt `boundMs` after the last one was resolved, the check will name. */
export async function resolveAll(load: Load, boundMs: number): Promise<number> {
  const open = () =>
    load.requests
      .filter(({ attempts, reusesKey }) => attempts.length > 0 && !reusesKey)
      .filter((request) => verdictOf(request) === 'open');
  const inDoubt = open();
  if (inDoubt.length === 0) return 0;
  const random = randomOf(load.seed);
  let endMs = performance.now() + boundMs;
  await sleep(doubtMs);
  for (let left = inDoubt; left.length > 0 && performance.now() < endMs;) {
    await Promise.all(left.slice(0, 40).map((request) => send(load, random, request)));
    if (left.some(({ attempts }) => isInDoubt(attempts.at(-1)?.reply))) await sleep(200);
    const still = open();
    if (still.length < left.length) endMs = performance.now() + boundMs;
    left = still;
  }
  return inDoubt.length;
}
