// For the tests of bad input: someone with something to lose, and the claim that it is as it was.
import type { OutgoingHttpHeaders } from 'node:http';
import { afterAll, expect } from 'vitest';
import { type Contract, conventionFlaws, documentFlaws, startContract } from './contract.client.ts';
import { connect, type Connections } from './contract.connections.ts';
import type { Reply } from './farebox.ts';

export const json = { 'content-type': 'application/json' };

export type Bystanders = Contract &
  Connections & {
    host: string;
    holdId: string;
    grantId: string;
    /** Whatever was asked, everything is as it was: what the victim has, and which customers, assets and keys there are. */
    unchanged: (asking: () => Promise<void>) => Promise<void>;
    /** A clear 4xx, one of these, that the document says may be the answer. */
    refused: (
      method: string,
      path: string,
      body: string | Buffer | undefined,
      statuses: readonly number[],
      headers?: OutgoingHttpHeaders,
    ) => Promise<Reply>;
  };

/** `victim` has 10 USD, of which 4 are held; `bystander` has 1. */
export async function startWithVictim(): Promise<Bystanders> {
  const farebox = await startContract();
  const { client, customer, document, entriesOf, grant, hold, walletOf } = farebox;
  const connections = connect(client.url, farebox.key, 8);
  afterAll(connections.close);
  await customer('victim');
  await customer('bystander', '1');
  const { id: grantId } = await grant('victim', '10');
  const { id: holdId } = await hold('victim', '4', { ttl_ms: 3_600_000 });

  const dataOf = async (path: string) => (await client.get(path)).body.data;
  const state = async () => ({
    wallet: await walletOf('victim'),
    entries: await entriesOf('victim'),
    grants: await dataOf('/v1/customers/victim/grants'),
    hold: (await client.get(`/v1/holds/${holdId}`)).body,
    customers: await dataOf('/v1/customers?limit=100'),
    assets: await dataOf('/v1/assets?limit=100'),
    keys: await dataOf('/v1/keys?limit=100'),
  });
  return {
    ...farebox,
    ...connections,
    host: new URL(client.url).host,
    holdId,
    grantId,
    unchanged: async (asking) => {
      const before = await state();
      await asking();
      expect(await state()).toEqual(before);
    },
    refused: async (method, path, body, statuses, headers = body === undefined ? {} : json) => {
      const reply = await connections.send(method, path, body, headers);
      const said = `${method} ${path} ${String(body ?? '').slice(0, 200)}`;
      expectRefused(said, reply, statuses);
      const flaws = documentFlaws(document, { method, path, body: undefined }, reply);
      if (flaws.length > 0) throw new Error(`${said} → ${reply.status} ${reply.text}\n  ${flaws.join('\n  ')}`);
      return reply;
    },
  };
}

/** In the shape of the contract, and with nothing in it of what runs here. */
export function expectRefused(said: string, reply: Reply, statuses: readonly number[]): void {
  const { status, text } = reply;
  const flaws = [...leaksIn(text), ...conventionFlaws('/v1/', reply)];
  if (!statuses.includes(status)) flaws.push(`it is not ${statuses.join(' or ')}`);
  if (flaws.length > 0) {
    throw new Error(`${said.slice(0, 400)} → ${status} ${text.slice(0, 500)}\n  ${flaws.join('\n  ')}`);
  }
}

// Words of what runs here, and of no contract.
const leaks = new RegExp(
  [
    String.raw`node_modules|\.[tj]s:\d+|\bat (async )?\S+ \(|ECONN|EPIPE|TypeError|RangeError|SyntaxError|ZodError`,
    String.raw`undefined is not|Postgres|drizzle|select .+ from|insert into|relation "|violates|ioredis|ReplyError`,
    String.raw`WRONGTYPE|NOSCRIPT|user_script|\bEVALSHA|\bFCALL|\bHGET`,
  ].join('|'),
  'i',
);

export const leaksIn = (text: string): string[] =>
  (leaks.exec(text) ?? []).slice(0, 1).map((word) => `it says ${word}`);

/** The words of a text; `\u0020` and the like are JSON's escapes. */
export const spelled = (text: string): string[] =>
  text
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => JSON.parse(`"${word}"`) as string);
