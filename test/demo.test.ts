// The demo, on a Farebox of the test's: real requests at real models' prices, budgets for each team, and books that are sound.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MODELS } from '../scripts/demo/catalog.ts';
import { TEAMS } from '../scripts/demo/customers.ts';
import { runDemo } from '../scripts/demo/run.ts';
import { expectStatus } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { openScene, type Scene } from './recover.scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await openScene();
});

afterAll(() => scene.close());

const listed = async (path: string): Promise<any[]> =>
  (await expectStatus(scene.client.get(`${path}limit=100`), 200)).body.data;

const nanos = (amount: string): number => Math.round(Number(amount) * 1e9);

test('the trace is paid at the prices of real models, each team spends what its budget counts, and the books are sound', async () => {
  const { farebox, client } = scene;
  const options = { limit: 150, customers: 5, speed: 'max', concurrency: 8, url: client.url, key: farebox.key };
  await runDemo(
    Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    {},
  );
  // What the demo itself found: nothing failed, and wallets have what was granted less what was spent.
  expect(process.exitCode).toBe(0);
  await scene.drained();
  const models = new Set<string>();
  const customers = (await listed('/v1/customers?')).filter(({ id }) => id !== 'probe');
  expect(customers).toHaveLength(5);
  for (const { id } of customers) {
    const settled = await listed(`/v1/customers/${id}/entries?kind=settle&`);
    const holds = await listed(`/v1/customers/${id}/entries?kind=hold&`);
    const labels = new Map(holds.map((hold) => [hold.hold_id, hold.labels]));
    const budgets = await listed(`/v1/customers/${id}/budgets?`);
    expect(new Set(budgets.map(({ match }) => match.labels.team))).toEqual(new Set(TEAMS));
    for (const { match, spent, held, limit } of budgets) {
      const ofTeam = settled.filter(({ hold_id }) => labels.get(hold_id).team === match.labels.team);
      expect(ofTeam.reduce((sum, { amount }) => sum - nanos(amount), 0)).toBe(nanos(spent));
      expect(nanos(spent)).toBeLessThanOrEqual(nanos(limit));
      expect(held).toBe('0');
    }
    for (const { hold_id } of settled) models.add(labels.get(hold_id).model);
  }
  expect(models).toEqual(new Set(MODELS.map(({ name }) => name)));
  await expectSound(scene.sql);
});
