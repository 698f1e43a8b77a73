// A stand-in for Stripe beside Farebox, where STRIPE_STAND_IN says so: payments without an account, and with no money in them.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { closeDatabase, openDatabase } from '../../src/db/connect.ts';
import { bootstrap } from '../../src/db/environments.ts';
import { startStandIn } from '../stripe/stand-in.ts';
import type { Settings } from './settings.ts';

export type StripeStandIn = {
  readonly url: string;
  /** What the app has to know to take it for Stripe. */
  readonly env: NodeJS.ProcessEnv;
  /** Sends events to the default environment, which the migrations have made. */
  readonly tellApp: (databaseUrl: string) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export async function startStripeStandIn({ dataDir, url: gateway }: Settings): Promise<StripeStandIn> {
  const secret = `whsec_${randomBytes(24).toString('hex')}`;
  const { url, webhooks, stop } = await startStandIn({ file: join(dataDir, 'stripe-stand-in.json') });
  return {
    url,
    stop,
    env: {
      STRIPE_API_BASE: url,
      STRIPE_SECRET_KEY: 'sk_test_stand_in',
      STRIPE_WEBHOOK_SECRET: secret,
    },
    tellApp: async (databaseUrl) => {
      const id = await defaultEnvironment(databaseUrl);
      webhooks.endpoints.push({ url: `${gateway}/webhooks/stripe/env_${id}`, secrets: [secret] });
    },
  };
}

async function defaultEnvironment(databaseUrl: string): Promise<string> {
  const sql = openDatabase(databaseUrl, { connectionsMax: 1, name: 'launcher' });
  try {
    const { environment } = await bootstrap(sql, { bootstrapKey: undefined });
    return environment.id;
  } finally {
    await closeDatabase(sql);
  }
}
