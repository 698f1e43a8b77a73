// What the launcher prints once all is ready: where things are, the secrets, and a first request to paste.
import type { Secrets } from './secrets.ts';
import type { Settings } from './settings.ts';

export function greeting(settings: Settings, secrets: Secrets, shownDir: string): string {
  const { url } = settings;
  return `
Farebox is ready at ${url}

  key             ${secrets.bootstrapKey}
  operator        user admin, password ${secrets.adminPassword}
  API reference   ${url}/docs
  queues          ${url}/admin/queues
  logs            ${shownDir}/gateway.log, ${shownDir}/worker.log

A customer, 10 USD for it, a hold before the model call, the true cost after it:

${example(url, secrets.bootstrapKey)}

Ctrl-C stops everything; the data stay in ${shownDir}.`;
}

// Whole commands, one on a line, so that each can be pasted alone. The settle needs the hold's id: sed finds it.
function example(url: string, key: string): string {
  const post = (path: string, body: string) =>
    `curl -sS -w '\\n' ${path.includes('$') ? `"${url}${path}"` : `${url}${path}`} -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${body}'`;
  const hold = post('/v1/authorize', '{"customer_id":"user_42","asset":"USD","amount":"0.05"}');
  return [
    post('/v1/customers', '{"id":"user_42"}'),
    post('/v1/customers/user_42/grants', '{"asset":"USD","amount":"10"}'),
    `AUTHORIZED=$(${hold}); echo "$AUTHORIZED"`,
    post(
      `/v1/holds/$(echo "$AUTHORIZED" | sed -n 's/.*"id": *"\\(hold_[^"]*\\)".*/\\1/p')/settle`,
      '{"amount":"0.03"}',
    ),
  ].join('\n');
}
