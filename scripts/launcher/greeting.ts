// What the launcher prints once all is ready: where things are, the secrets, and a first request to paste.
import type { Secrets } from './secrets.ts';
import type { Settings } from './settings.ts';

export type Greeted = {
  readonly secrets: Secrets;
  readonly shownDir: string;
  /** Absent: payments go to Stripe, or nowhere. */
  readonly stripeUrl: string | undefined;
};

export function greeting({ url }: Settings, { secrets, shownDir, stripeUrl }: Greeted): string {
  return `
Farebox is ready at ${url}

  key             ${secrets.bootstrapKey}
  operator        user admin, password ${secrets.adminPassword}
  API reference   ${url}/docs
  queues          ${url}/admin/queues
  logs            ${shownDir}/gateway.log, ${shownDir}/worker.log${stripeUrl === undefined ? '' : `\n  payments        a stand-in for Stripe on ${stripeUrl}`}

A customer, 10 USD for it, a hold before the model call, the true cost after it:

${example(url, secrets.bootstrapKey)}${stripeUrl === undefined ? '' : purchase(url, secrets.bootstrapKey)}

Ctrl-C stops everything; the data stay in ${shownDir}.`;
}

function purchase(url: string, key: string): string {
  const body = `{"asset":"USD","amount":"25","payment":"checkout","return_url":"${url}/docs"}`;
  return `

25 USD bought for it, on the page that checkout_url in the answer names:

${post({ url, key }, '/v1/customers/user_42/top-ups', body)}`;
}

// Whole commands, one on a line, so that each can be pasted alone. The settle needs the hold's id: sed finds it.
function example(url: string, key: string): string {
  const at = { url, key };
  const hold = post(at, '/v1/authorize', '{"customer_id":"user_42","asset":"USD","amount":"0.05"}');
  return [
    post(at, '/v1/customers', '{"id":"user_42"}'),
    post(at, '/v1/customers/user_42/grants', '{"asset":"USD","amount":"10"}'),
    `AUTHORIZED=$(${hold}); echo "$AUTHORIZED"`,
    post(
      at,
      `/v1/holds/$(echo "$AUTHORIZED" | sed -n 's/.*"id": *"\\(hold_[^"]*\\)".*/\\1/p')/settle`,
      '{"amount":"0.03"}',
    ),
  ].join('\n');
}

function post({ url, key }: { url: string; key: string }, path: string, body: string): string {
  const target = path.includes('$') ? `"${url}${path}"` : `${url}${path}`;
  return `curl -sS -w '\\n' ${target} -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${body}'`;
}
