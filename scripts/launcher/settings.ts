// What the launcher reads from the environment, parsed once.
import { resolve } from 'node:path';
import { advice } from '../stores/advice.ts';

export type Settings = {
  readonly host: string;
  readonly port: number;
  /** Where a client on this machine finds the gateway. */
  readonly url: string;
  readonly dataDir: string;
  /** Null: the launcher starts its own. */
  readonly databaseUrl: string | null;
  readonly redisUrl: string | null;
  /** How its own Redis writes: as the durability class that is asked for wants it. */
  readonly appendonly: 'everysec' | 'always';
  readonly bootstrapKey: string | null;
  readonly adminPassword: string | null;
  /** Payments go to a stand-in for Stripe that the launcher starts. */
  readonly hasStripeStandIn: boolean;
};

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  // `DATABASE_URL=` in a shell or an env file means "not set".
  const read = (name: string) => env[name]?.trim() || null;
  const host = read('HOST') ?? '127.0.0.1';
  const port = Number(read('PORT') ?? '3000');
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw advice(`PORT is ${read('PORT')}: give a number from 1 to 65535`);
  return {
    host,
    port,
    url: `http://${reachable(host)}:${port}`,
    dataDir: resolve(read('FAREBOX_DATA_DIR') ?? '.data'),
    databaseUrl: read('DATABASE_URL'),
    redisUrl: read('REDIS_URL'),
    appendonly: read('FAREBOX_DURABILITY') === 'durable' ? 'always' : 'everysec',
    bootstrapKey: read('FAREBOX_BOOTSTRAP_KEY'),
    adminPassword: read('FAREBOX_ADMIN_PASSWORD'),
    hasStripeStandIn: readStandIn(read('STRIPE_STAND_IN'), read('STRIPE_SECRET_KEY')),
  };
}

function readStandIn(standIn: string | null, secretKey: string | null): boolean {
  if (standIn === null || standIn === 'off') return false;
  if (standIn !== 'on') throw advice(`STRIPE_STAND_IN is ${standIn}: on, or leave it out`);
  if (secretKey !== null)
    throw advice('STRIPE_STAND_IN and STRIPE_SECRET_KEY are both set: pay at one of them, and leave the other out');
  return true;
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
