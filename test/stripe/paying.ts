// A whole Farebox with a stand-in for Stripe behind it, and what a customer does in a browser.
import { expect } from 'vitest';
import postgres from 'postgres';
import { startStandIn, type StandIn, type StandInOptions } from '../../scripts/stripe/stand-in.ts';
import type { Exchange } from '../../scripts/stripe/serve-api.ts';
import type { Log } from '../../src/log.ts';
import { startFarebox, type Farebox } from '../farebox.ts';
import { violations } from './description.ts';

export const secretKey = 'sk_test_of_the_stand_in';
export const webhookSecret = 'whsec_of_the_stand_in';

export type Paying = Farebox & {
  standIn: StandIn;
  environmentId: string;
  /** Of the requests to Stripe so far: what its own description has against them. Takes seconds, so it is asked last. */
  flaws: () => string[];
  sql: postgres.Sql;
};

export async function startPaying({
  worker = true,
  log,
  ...options
}: StandInOptions & { worker?: boolean; log?: Log } = {}): Promise<Paying> {
  const exchanges: Exchange[] = [];
  const standIn = await startStandIn({
    retryDelaysMs: [50, 100, 200, 400, 800, 1_600],
    ...options,
    onExchange: (exchange) => void exchanges.push(exchange),
  });
  const stripe = {
    secretKey,
    webhookSecrets: [webhookSecret],
    apiBase: standIn.url,
    addsTax: false,
    mode: 'test' as const,
  };
  const farebox = await startFarebox({ over: { stripe }, worker, log });
  const sql = postgres(farebox.database.url, { max: 2, onnotice: () => {} });
  const [row] = await sql<{ id: string }[]>`select id from environments where is_default`;
  const environmentId = row!.id;
  standIn.webhooks.endpoints.push({
    url: `${farebox.client.url}/webhooks/stripe/env_${environmentId}`,
    secrets: [webhookSecret],
  });
  return {
    ...farebox,
    standIn,
    environmentId,
    flaws: () => exchanges.flatMap(violations),
    sql,
    stop: async () => {
      await standIn.stop();
      await sql.end();
      await farebox.stop();
    },
  };
}

/** What a browser does with a page of the stand-in's: a form is sent, and where it leads is told. */
export async function submit(url: string, form: Record<string, string>): Promise<string> {
  const reply = await fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
  if (reply.status !== 303) throw new Error(`${reply.status}: ${await reply.text()}`);
  return reply.headers.get('location') ?? '';
}

/** Saves a test card, as a customer does, and gives its id. */
export async function saveCard({ client }: Paying, customer: string, card = 'pm_card_visa'): Promise<string> {
  const path = `/v1/customers/${customer}/payment-methods`;
  const { body } = await client.post(`${path}/setup`, { return_url: 'https://shop.example/wallet' });
  expect(await submit(body.url, { card })).toBe('https://shop.example/wallet');
  const listed = await client.get(path);
  return listed.body.data[0].id;
}
