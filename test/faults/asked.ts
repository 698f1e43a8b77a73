// A client that retries as the SDK does, and remembers every request with all its answers.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Reply } from '../farebox.ts';
import type { Random } from './seeded.ts';

export type Kind = 'grant' | 'authorize' | 'charge' | 'extend' | 'settle' | 'release';

/** One operation. It has one Idempotency-Key, however often it is sent. */
export type Asked = {
  kind: Kind;
  customerId: string;
  path: string;
  body: Record<string, unknown>;
  key: string;
  /** In the order in which they came; undefined: the connection broke first. */
  answers: (Reply | undefined)[];
};

/** What the client knows: yes; no, and that nothing happened; or that it cannot tell. */
export type Verdict = 'yes' | 'no' | 'open';

/** A 503 speaks of its own request only: what was in doubt before stays so (src/sdk/send.ts). */
export function verdictOf({ answers }: Asked): Verdict {
  const last = answers.at(-1);
  if (last && last.status < 300) return 'yes';
  if (last && last.status < 500) return 'no';
  return answers.every((reply) => reply?.body?.outcome === 'not_applied') ? 'no' : 'open';
}

/** The last answer, where it is a yes. */
export function yesOf(asked: Asked): Reply | undefined {
  return verdictOf(asked) === 'yes' ? asked.answers.at(-1) : undefined;
}

const pauseMsMax = 120;

/** Sends it; once more, to any gateway and under the same key, where the answer is a 503 or none at all. */
export async function ask(clients: readonly Client[], random: Random, asked: Asked): Promise<Reply | undefined> {
  const first = await send(random.pick(clients), asked);
  if (first && first.status !== 503) return first;
  // Less than Retry-After asks for: not every client is patient.
  await sleep(random.between(0, pauseMsMax));
  return send(random.pick(clients), asked);
}

/** Asks until the answer is yes or no: what a client does that must know. */
export async function resolve(client: Client, asked: Asked, attemptsMax = 20): Promise<void> {
  for (let attempt = 1; attempt <= attemptsMax && verdictOf(asked) === 'open'; attempt += 1) {
    const reply = await send(client, asked);
    if (reply?.status !== 503) continue;
    await sleep(100);
  }
}

async function send(client: Client, asked: Asked): Promise<Reply | undefined> {
  const reply = await client
    .post(asked.path, asked.body, { 'idempotency-key': asked.key })
    // fetch says no more than that it failed.
    .catch(() => undefined);
  asked.answers.push(reply);
  return reply;
}
