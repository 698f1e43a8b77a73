// The client as its users get it: packed, installed in an empty project, imported by name.
//
// A link into this project would prove nothing: it would find what the tarball lacks. So npm packs and installs for real,
// which takes some ten seconds and, unless npm's cache has them, fetches the dependencies.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const folder = mkdtempSync(join(tmpdir(), 'farebox-package-'));
const app = join(folder, 'node_modules', 'farebox');
const INSTALL_BOUND_MS = 180_000;

let packed: string[] = [];

beforeAll(async () => {
  checkBuilt();
  const { stdout } = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [tarball] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  packed = tarball?.files.map(({ path }) => path) ?? [];
  writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--omit=optional', '--prefer-offline'];
  await npm(['install', ...quiet, `./${tarball?.filename}`], folder);
}, INSTALL_BOUND_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** npm as it runs by hand: what an npm above tells its scripts about this project is not for the other one. */
function npm(args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  const own = /^npm_(package|lifecycle|config_local_prefix|command)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  return run('npm', args, { cwd, env, timeout: INSTALL_BOUND_MS, shell: process.platform === 'win32' });
}

// What is packed is `dist`, and an old one would be tested in silence.
function checkBuilt(): void {
  const sources = readdirSync(join(root, 'src', 'sdk')).map((name) => `sdk/${name}`);
  for (const source of [...sources, 'contract.ts']) {
    const built = statSync(join(root, 'dist', 'src', source.replace(/ts$/, 'js')), { throwIfNoEntry: false });
    if (!built || built.mtimeMs < statSync(join(root, 'src', source)).mtimeMs)
      throw new Error('dist/ is old: npm run build');
  }
}

test('the tarball has the client with its types, and neither tests nor the demo’s data', () => {
  expect(packed).toEqual(
    expect.arrayContaining([
      'package.json',
      'dist/src/sdk/farebox.js',
      'dist/src/sdk/farebox.d.ts',
      'dist/src/contract.d.ts',
    ]),
  );
  expect(
    packed.filter((path) =>
      /^(test\/|data\/(?!model-prices|README)|scripts\/|bench\/|dist\/(test|scripts|bench)\/)/.test(path),
    ),
  ).toEqual([]);
});

test('a JavaScript project imports it by name and calls a server', async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.writeHead(200).end('{"id":"hold_1","status":"approved","amount":"0.0015"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  writeFileSync(join(folder, 'call.mjs'), CALL);
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { stdout } = await run(process.execPath, ['call.mjs', baseUrl], { cwd: folder });
  server.close();
  expect(stdout).toBe('hold_1 0.0015\n');
  expect(seen).toEqual(['POST /v1/authorize Bearer fb_test_key']);
});

const CALL = `
import { farebox, price } from 'farebox/sdk';
const gateway = farebox({ baseUrl: process.argv[2], apiKey: 'fb_test_key' });
const hold = await gateway.authorize({ customer_id: 'user_42', asset: 'USD', amount: price(1200, '1.25') });
console.log(hold.id, hold.amount);
`;

describe('a TypeScript project', () => {
  // Without Node's types, and with libraries checked: the declarations stand on their own.
  const strict = [
    '--noEmit',
    '--ignoreConfig',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--target',
    'es2022',
    '--lib',
    'es2022,dom',
    '--types',
    '',
  ];

  test.each([
    ['nodenext', ['--module', 'nodenext']],
    ['a bundler', ['--module', 'esnext', '--moduleResolution', 'bundler']],
  ])('compiled for %s finds the types', async (_, module) => {
    writeFileSync(join(folder, 'call.ts'), TYPED_CALL);
    await compile([...strict, ...module, 'call.ts']);
  });

  test('is told of a mistake', async () => {
    writeFileSync(join(folder, 'mistake.ts'), TYPED_CALL.replace(`amount: '0.05'`, 'amount: 0.05'));
    await expect(compile([...strict, '--module', 'nodenext', 'mistake.ts'])).rejects.toThrow(
      `'number' is not assignable to type 'string'`,
    );
  });

  async function compile(args: readonly string[]): Promise<void> {
    try {
      await run(process.execPath, [tsc, ...args], { cwd: folder });
    } catch (error) {
      throw new Error((error as { stdout: string }).stdout, { cause: error });
    }
  }
});

const TYPED_CALL = `
import { type Approved, each, type Entry, farebox, FareboxError } from 'farebox/sdk';
const gateway = farebox({ baseUrl: 'https://farebox.example.com', apiKey: 'fb_test_key', fetch });
const request = { customer_id: 'user_42', asset: 'USD', amount: '0.05' };
export async function call(): Promise<Approved | string> {
  const shadow = await gateway.charge({ ...request, mode: 'shadow' });
  if (shadow.status === 'shadow_declined') return shadow.shortfall;
  const worked = await gateway.withHold(request, async (hold) => {
    hold.spent('0.02');
    return 7;
  });
  if (worked.status === 'settled') return (worked.result satisfies number).toString();
  const answer = await gateway.authorize(request);
  switch (answer.status) {
    case 'approved':
      return answer;
    case 'declined':
      return answer.shortfall;
  }
}
export async function ledger(): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    for await (const entry of each((cursor) => gateway.entries('user_42', { cursor }))) entries.push(entry);
  } catch (error) {
    if (error instanceof FareboxError && error.outcome === 'unknown') console.log(error.idempotencyKey);
  }
  return entries;
}
`;

describe('the client runs wherever fetch does', () => {
  const files = () => readdirSync(join(app, 'dist', 'src', 'sdk')).filter((name) => name.endsWith('.js'));

  test('it loads nothing but its own files', () => {
    expect(files().length).toBeGreaterThan(1);
    for (const name of files()) {
      const source = readFileSync(join(app, 'dist', 'src', 'sdk', name), 'utf8');
      const loaded = [...source.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1]);
      expect(loaded.filter((path) => !/^\.\/[a-z-]+\.js$/.test(path ?? ''))).toEqual([]);
    }
  });

  test('it names nothing that only Node has', async () => {
    const web = [
      '--noEmit',
      '--ignoreConfig',
      '--strict',
      '--target',
      'es2022',
      '--lib',
      'es2022,dom,dom.iterable',
      '--types',
      '',
    ];
    const modules = ['--module', 'nodenext', '--allowImportingTsExtensions'];
    await run(process.execPath, [tsc, ...web, ...modules, join(root, 'src', 'sdk', 'farebox.ts')], { cwd: folder });
  });
});
