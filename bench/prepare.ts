// `npm run bench:prepare`: funded customers on a Farebox that runs, and commands to put load on them with autocannon.
//
// FAREBOX_URL says where it runs (default http://127.0.0.1:3000), FAREBOX_KEY is a key with scopes authorize, read, credit.
// To call it again funds who has spent what there was. `--customers 100`.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { customers: { type: 'string', default: '100' } } });
const url = process.env['FAREBOX_URL'] ?? 'http://127.0.0.1:3000';
const key = process.env['FAREBOX_KEY'];
const customersCount = Number(values.customers);
/** A thousand million requests of a millionth each. */
const credit = '1000';
const enough = 100;
const broke = 'load_broke';
const amount = { asset: 'USD', amount: '0.000001' };
const idOf = (no: number) => `load_${no}`;

if (key === undefined) {
  console.error('which key? FAREBOX_KEY; `npm start` prints one');
  process.exitCode = 1;
} else await prepare();

async function prepare(): Promise<void> {
  await create(broke);
  for (let no = 0; no < customersCount; no += 1) {
    await create(idOf(no));
    const { accounts } = (await call('GET', `/v1/customers/${idOf(no)}/wallet`)) as { accounts: Account[] };
    const available = Number(accounts.find(({ asset }) => asset === 'USD')?.available ?? 0);
    if (available < enough) {
      await call('POST', `/v1/customers/${idOf(no)}/grants`, { asset: 'USD', amount: credit, purpose: 'paid' });
    }
  }
  const har = join(tmpdir(), 'farebox-load.har');
  writeFileSync(har, JSON.stringify(archive()));
  console.log(told(har));
}

type Account = { asset: string; available: string };

async function create(id: string): Promise<void> {
  await call('POST', '/v1/customers', { id }, [409]);
}

async function call(method: string, path: string, body?: object, alsoFine: number[] = []): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const reply = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await reply.text();
  if (!reply.ok && !alsoFine.includes(reply.status)) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
  return JSON.parse(text) as unknown;
}

/** One charge of each customer, as a HTTP archive; without the key, which autocannon adds. */
function archive() {
  const entries = Array.from({ length: customersCount }, (_, no) => ({
    request: {
      method: 'POST',
      url: `${url}/v1/charge`,
      headers: [{ name: 'content-type', value: 'application/json' }],
      postData: { mimeType: 'application/json', text: JSON.stringify({ customer_id: idOf(no), ...amount }) },
    },
  }));
  return { log: { version: '1.2', creator: { name: 'farebox', version: '1' }, entries } };
}

function told(har: string): string {
  const cannon = 'npx autocannon -c 64 -d 10 --renderStatusCodes -H "Authorization=Bearer $FAREBOX_KEY"';
  const post = (path: string, body: object) =>
    `${cannon} \\\n  -m POST -H "Content-Type=application/json" -b '${JSON.stringify(body)}' ${url}/v1/${path}`;
  const one = { customer_id: idOf(0), ...amount };
  return `${customersCount} customers have ${credit} USD each, ${idOf(0)} to ${idOf(customersCount - 1)}; ${broke} has nothing.
With the key in $FAREBOX_KEY:

# one customer, charged
${post('charge', one)}

# one customer, money set aside for a second (a wallet has at most 10,000 open holds)
${post('authorize', { ...one, ttl_ms: 1000 })}

# all customers in turn
${cannon} \\
  --har ${har} ${url}

# what a no looks like: all are 402, which autocannon counts as "non 2xx"
${post('authorize', { ...one, customer_id: broke })}

# authorize, then settle, each under a key of its own
FAREBOX_URL=${url} node bench/two-step.mjs`;
}
