// `farebox environment stripe <id>`: give an environment Stripe's keys. They come by standard input: a command line is seen by others.
import { text } from 'node:stream/consumers';
import { closeDatabase, openDatabase } from '../db/connect.ts';
import { keepStripeSettings } from '../db/stripe-settings.ts';
import type { StripeSettings } from '../records.ts';

const use = `use: farebox environment stripe <id> < file, where the file has lines such as

STRIPE_SECRET_KEY=sk_live_…
STRIPE_WEBHOOK_SECRET=whsec_…,whsec_…`;

const secretKeyShape = /^(?:sk|rk)_(test|live)_\S+$/;

/** What is wrong, or undefined when it is done. */
export async function runEnvironmentStripe(
  databaseUrl: string,
  id: string | undefined,
  input: AsyncIterable<Buffer | string> = process.stdin,
): Promise<string | undefined> {
  if (id === undefined) return use;
  const settings = readSettings(await text(input as NodeJS.ReadableStream));
  if (typeof settings === 'string') return `${settings}\n\n${use}`;
  const sql = openDatabase(databaseUrl, { connectionsMax: 1, name: 'environment' });
  try {
    const kept = await keepStripeSettings(sql, id.replace(/^env_/, ''), settings);
    switch (kept.status) {
      case 'kept':
        process.stdout.write(
          `Stripe's keys are kept: its events go to /webhooks/stripe/env_${id.replace(/^env_/, '')}\n`,
        );
        return undefined;
      case 'no_environment':
        return `there is no environment ${id}`;
      case 'other_mode':
        return `${id} is of mode ${kept.mode}, and the key of mode ${settings.mode}`;
    }
  } finally {
    await closeDatabase(sql);
  }
}

/** Never says a value: what is wrong may be a secret in the wrong place. */
function readSettings(given: string): StripeSettings | string {
  const lines = given
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()] as const);
  const known = new Set(['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET', 'STRIPE_API_BASE', 'STRIPE_TAX']);
  if (lines.some(([name]) => !known.has(name))) return `lines must begin with one of ${[...known].join(', ')}, and =`;
  const read = new Map(lines);
  const secretKey = read.get('STRIPE_SECRET_KEY') ?? '';
  const mode = secretKeyShape.exec(secretKey)?.[1];
  if (mode !== 'test' && mode !== 'live')
    return 'STRIPE_SECRET_KEY must be sk_test_…, sk_live_…, rk_test_… or rk_live_…';
  const webhookSecrets = (read.get('STRIPE_WEBHOOK_SECRET') ?? '')
    .split(',')
    .map((secret) => secret.trim())
    .filter((secret) => secret !== '');
  return {
    secretKey,
    webhookSecrets,
    apiBase: read.get('STRIPE_API_BASE'),
    addsTax: read.get('STRIPE_TAX') === 'on',
    mode,
  };
}
