// `npm run stripe:stand-in`: a stand-in for Stripe on this machine, for trying Farebox without an account.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startStandIn } from './stripe/stand-in.ts';

const port = Number(process.env['STAND_IN_PORT'] ?? '12111');
const gateway = process.env['STAND_IN_WEBHOOK_URL'];
const secret = process.env['STAND_IN_WEBHOOK_SECRET'] ?? 'whsec_stand_in';
const file = join(process.env['FAREBOX_DATA_DIR'] ?? '.data', 'stripe-stand-in.json');
mkdirSync(dirname(file), { recursive: true, mode: 0o700 });

const standIn = await startStandIn({
  port,
  file,
  endpoints: gateway === undefined ? [] : [{ url: gateway, secrets: [secret] }],
});
console.log(`a stand-in for Stripe on ${standIn.url}; its books are in ${file}

  STRIPE_API_BASE=${standIn.url} STRIPE_SECRET_KEY=sk_test_stand_in STRIPE_WEBHOOK_SECRET=${secret}

Events go to ${gateway ?? 'nobody: name the endpoint in STAND_IN_WEBHOOK_URL'}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.stop());
