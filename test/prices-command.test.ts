// `farebox prices`: a list of what models cost becomes a draft, which the API shows, publishes, and prices by.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPrices } from '../src/run/prices.ts';
import { expectStatus, startFarebox, type Farebox } from './farebox.ts';

let farebox: Farebox;
const folder = mkdtempSync(join(tmpdir(), 'farebox-prices-'));

beforeAll(async () => {
  farebox = await startFarebox({ worker: false });
});

afterAll(async () => {
  await farebox.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function prices(...args: string[]): Promise<{ problem: string | undefined; lines: string[] }> {
  const lines: string[] = [];
  const problem = await runPrices(farebox.config, args, (line) => void lines.push(line));
  return { problem, lines };
}

function listFile(models: { [model: string]: object }): string {
  const file = join(folder, 'list.json');
  const listed = Object.entries(models).map(([model, cost]) => [model, { cost }]);
  writeFileSync(file, JSON.stringify({ providers: { acme: Object.fromEntries(listed) } }));
  return file;
}

describe('importing', () => {
  test('makes a product with a draft, that is published as any other', async () => {
    const made = await prices('import', 'models', '--provider', 'anthropic,openai', '--markup', '1.2', '--default');
    expect(made.problem).toBeUndefined();
    expect(made.lines.at(-1)).toBe(
      'version 1 of product models is a draft; POST /v1/products/models/versions/1/publish',
    );
    const { body } = await expectStatus(farebox.client.get('/v1/products/models'), 200);
    expect(body).toMatchObject({ name: 'models', default: true, version: 1, status: 'draft' });
    expect(body.prices).toContainEqual({
      id: 'openai/gpt-5:input',
      event_type: 'chat.completion',
      asset: 'USD',
      dimensions: { model: 'gpt-5' },
      model: 'unit',
      quantity: 'input_tokens',
      unit_amount: '1.5',
      per: 1_000_000,
    });
    await expectStatus(farebox.client.post('/v1/products/models/versions/1/publish'), 200);
  });

  test('again tells what differs from what is published, and makes no draft of the same', async () => {
    const again = await prices('import', 'models', '--provider', 'anthropic,openai', '--markup', '1.2');
    expect(again.problem).toBeUndefined();
    expect(again.lines.at(-1)).toBe('nothing differs from version 1, which is published');

    const narrower = await prices('import', 'models', '--provider', 'openai', '--model', 'gpt-5,gpt-5-mini');
    expect(narrower.lines.find((line) => line.includes(' openai/gpt-5:input '))).toMatch(
      /^~ .* 1\.5 → 1\.25 USD per 1000000 +-16\.7 %$/,
    );
    expect(narrower.lines.at(-2)).toMatch(/^0 added, \d{3} removed, 8 changed, 0 as before$/);
    expect(narrower.lines.at(-1)).toMatch(/^version 2 /);
    const { body } = await expectStatus(farebox.client.get('/v1/products/models'), 200);
    expect(body).toMatchObject({ version: 2, status: 'draft', published_version: 1 });

    // A draft is nothing to differ from.
    const still = await prices('diff', 'models', '--provider', 'anthropic,openai', '--markup', '1.2');
    expect(still.lines.at(-1)).toBe('nothing differs from version 1, which is published');
  });
});

test('showing the difference makes nothing', async () => {
  const shown = await prices('diff', 'nothing', '--file', listFile({ m: { input: 1, output: 2 } }));
  expect(shown).toEqual({
    problem: undefined,
    lines: [
      'cache_read is not listed: as input: acme/m',
      'cache_write is not listed: as input: acme/m',
      '4 prices; nothing of product nothing is published that they could differ from',
    ],
  });
  await expectStatus(farebox.client.get('/v1/products/nothing'), 404);
});

describe('what is refused makes nothing', () => {
  test.each([
    [
      'prices per token',
      { good: { input: 1, output: 2 }, bad: { input: 0.000001, output: 0.000002 } },
      /acme\/bad: input/,
    ],
    ['a model that is free', { m: { input: 0, output: 0 } }, /no price is left/],
    ['no cost', { m: {} }, /acme\/m: input is missing/],
  ])('%s', async (_, models, problem) => {
    expect((await prices('import', 'refused', '--file', listFile(models))).problem).toMatch(problem);
    await expectStatus(farebox.client.get('/v1/products/refused'), 404);
  });

  test.each([
    [['import'], /^use: farebox prices/],
    [['sell', 'models'], /^use: farebox prices/],
    [['import', 'a b'], /a product's id is letters/],
    [['import', 'models', '--discount', '3'], /--discount[^]*use: farebox prices/],
    [['import', 'models', '--markup', '120%'], /a markup is a factor/],
    [['import', 'models', '--event-type', 'chat completion', '--model', 'gpt-5', '--provider', 'openai'], /event_type/],
    [['import', 'models', '--file', '/nowhere.json'], /nowhere\.json cannot be read/],
    [
      ['import', 'models', '--model', 'gpt-5', '--provider', 'openai', '--environment', 'env_0'],
      /no environment env_0/,
    ],
    [
      ['import', 'models', '--model', 'gpt-5', '--provider', 'openai', '--default'],
      /--default and --name are for a new/,
    ],
    [['import', 'models', '--model', 'gpt-5.5'], /gpt-5\.5: is sold by azure too/],
  ])('%j', async (args, problem) => {
    expect((await prices(...args)).problem).toMatch(problem);
  });
});
