// Automatic top-ups: how long it takes from the request that takes an account below its bound to the credit.
//
// Stripe is the stand-in, in this process, and answers at once: what is measured is what Farebox adds. Each customer falls
// below once; the ledger says when that was, and when the credit came.
import { randomBytes } from 'node:crypto';
import { waitUntil } from '../../scripts/stores/process.ts';
import { submitCheckout } from '../../scripts/stripe/checkout-page.ts';
import { startStandIn, type StandIn } from '../../scripts/stripe/stand-in.ts';
import { createEnvironment } from '../../src/db/environments.ts';
import { createKey } from '../../src/db/keys.ts';
import { keepStripeSettings } from '../../src/db/stripe-settings.ts';
import type { Bench } from '../bench.ts';
import { backToBack, paced } from '../timed-load.ts';
import { told, type Outcome, type Run } from './scenario.ts';

const perSecond = 10;
const secondsMost = 20;
const burstCount = 64;
const armedBoundMs = 30_000;
const creditedBoundMs = 60_000;

type Place = { environmentId: string; key: string; url: string };

export async function measureTopUps(bench: Bench, run: Run): Promise<Outcome> {
  const count = perSecond * Math.min(secondsMost, run.seconds * 2);
  const standIn = await startStandIn();
  try {
    const place = await payingEnvironment(bench, standIn);
    bench.worker.thaw();
    run.say(`  ${count + burstCount} customers with a card`);
    const customers = Array.from({ length: count + burstCount }, (_, no) => `paying_${no}`);
    for (let from = 0; from < customers.length; from += 8) {
      await Promise.all(customers.slice(from, from + 8).map((id) => makeCustomer(standIn, place, id)));
    }
    await untilCount(bench, place, armedCount, customers.length, armedBoundMs);
    const charge = () => ({ path: '/v1/charge', body: crossing(customers.shift()!) });

    run.say(`  ${perSecond} of them a second below their bound`);
    const target = { url: place.url, key: place.key, connections: 2 };
    const { unexpected } = await paced(target, { perSecond, seconds: count / perSecond, next: charge });
    await untilCount(bench, place, creditedCount, count, creditedBoundMs);
    const steady = await lags(bench, place, 0);

    run.say(`  ${burstCount} of them at once`);
    const burst = await backToBack(
      { ...target, connections: burstCount },
      { steps: [() => (customers.length > 0 ? charge() : undefined)], seconds: 2 },
    );
    await untilCount(bench, place, creditedCount, count + burstCount, creditedBoundMs);
    if (unexpected + burst.unexpected > 0) throw new Error('answers that were not expected');
    const atOnce = await lags(bench, place, count);
    const charges = Object.values(standIn.books.charges).filter(({ paid }) => paid).length;
    return {
      figures: [
        told(`crossing to credit, ${perSecond}/s, p50`, 'ms', steady.p50Ms),
        told(`crossing to credit, ${perSecond}/s, p99`, 'ms', steady.p99Ms, { atMost: 2_000 }),
        told(`crossing to credit, ${burstCount} at once, p50`, 'ms', atOnce.p50Ms),
        told(`crossing to credit, ${burstCount} at once, p99`, 'ms', atOnce.p99Ms),
        told('charges ÷ crossings', '', charges / (count + burstCount), { atMost: 1 }),
      ],
      raw: { steady, atOnce, charges },
    };
  } finally {
    await standIn.stop();
  }
}

async function payingEnvironment({ sql, gatewayUrl }: Bench, standIn: StandIn): Promise<Place> {
  const { id } = await createEnvironment(sql, { name: `top-ups-${randomBytes(4).toString('hex')}`, mode: 'test' });
  const secret = `whsec_${randomBytes(24).toString('hex')}`;
  await keepStripeSettings(sql, id, {
    secretKey: 'sk_test_stand_in',
    webhookSecrets: [secret],
    apiBase: standIn.url,
    addsTax: false,
    mode: 'test',
  });
  standIn.webhooks.endpoints.push({ url: `${gatewayUrl}/webhooks/stripe/env_${id}`, secrets: [secret] });
  const { secret: key } = await createKey(sql, id, {
    name: 'top-ups',
    scopes: ['authorize', 'read', 'credit', 'catalog', 'admin'],
    expiresAtMs: undefined,
  });
  return { environmentId: id, key, url: gatewayUrl };
}

const crossing = (customer: string): string =>
  JSON.stringify({ customer_id: customer, asset: 'USD', amount: '15', labels: { team: 'red' } });

/** With 20, a card, and 50 more bought when 10 are left. */
async function makeCustomer(standIn: StandIn, { url, key }: Place, id: string): Promise<void> {
  const ask = async (method: 'POST' | 'PUT', path: string, body: object) => {
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return (await reply.json()) as { url?: string };
  };
  await ask('POST', '/v1/customers', { id });
  await ask('POST', `/v1/customers/${id}/grants`, { asset: 'USD', amount: '20' });
  const setup = await ask('POST', `/v1/customers/${id}/payment-methods/setup`, { return_url: 'https://shop.example/' });
  const page = await submitCheckout(standIn.world, (setup.url ?? '').split('/').at(-1) ?? '', { card: 'pm_card_visa' });
  if (!('location' in page)) throw new Error(`no card was saved: ${page.html}`);
  const terms = { enabled: true, threshold: '10', amount: '50', monthly_limit: '1000' };
  await ask('PUT', `/v1/customers/${id}/auto-top-up/USD`, terms);
}

type Count = (bench: Bench, place: Place) => Promise<number>;

const armedCount: Count = async ({ sql }, { environmentId }) => {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from auto_top_ups
    where environment_id = ${environmentId} and told_no = armed_no and look_at is null`;
  return row?.count ?? 0;
};

const creditedCount: Count = async (bench, place) => (await waits(bench, place)).length;

async function untilCount(bench: Bench, place: Place, of: Count, wanted: number, boundMs: number): Promise<void> {
  let count = 0;
  const isDone = async () => (count = await of(bench, place)) >= wanted;
  if (!(await waitUntil(isDone, boundMs, 100))) throw new Error(`${count} of ${wanted} after ${boundMs / 1_000} s`);
}

/** From each crossing to its credit, in the order of the crossings; both instants are Redis's. */
async function waits({ sql }: Bench, { environmentId }: Place): Promise<number[]> {
  const rows = await sql<{ ms: number }[]>`
    select extract(epoch from credited.at - crossed.at)::float8 * 1000 as ms
    from (
      select wallet_id, occurred_at as at from entries where environment_id = ${environmentId} and kind = 'charge'
    ) as crossed
    join (
      select wallet_id, max(occurred_at) as at from entries
      where environment_id = ${environmentId} and kind = 'grant' group by 1 having count(*) = 2
    ) as credited using (wallet_id)
    order by crossed.at`;
  return rows.map(({ ms }) => ms);
}

async function lags(bench: Bench, place: Place, from: number): Promise<{ p50Ms: number; p99Ms: number }> {
  const sorted = (await waits(bench, place)).slice(from).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
