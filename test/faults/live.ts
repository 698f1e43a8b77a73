// The load: clients of a customer that authorize, charge, settle, release and extend, with credit coming in.
import { randomUUID } from 'node:crypto';
import type { Client, Reply } from '../farebox.ts';
import { ask, verdictOf, yesOf, type Asked, type Kind } from './asked.ts';
import type { Random } from './seeded.ts';

export type World = {
  /** Any of them may be asked. */
  gateways: readonly Client[];
  random: Random;
  /** Every operation so far. */
  all: Asked[];
  isOver: () => boolean;
};

/** Asks under a new key; returns the yes, if there was one. */
export async function askFor(world: World, asked: Omit<Asked, 'key' | 'answers'>): Promise<Reply | undefined> {
  const one: Asked = { ...asked, key: randomUUID(), answers: [] };
  world.all.push(one);
  await ask(world.gateways, world.random, one);
  return yesOf(one);
}

/** One client of a customer. Credit comes in small amounts, so that "no" is as frequent as "yes". */
export async function live(world: World, customerId: string): Promise<void> {
  const { random } = world;
  const holds: string[] = [];
  const cents = (most: number) => String(random.between(0, most * 100) / 100);
  const send = (kind: Kind, path: string, body: Record<string, unknown>) =>
    askFor(world, { kind, customerId, path, body });
  const spend = { customer_id: customerId, asset: 'USD' };
  while (!world.isOver()) {
    const dice = random.next();
    const hold = `/v1/holds/${holds[0]}`;
    if (dice < 0.16) {
      await send('grant', `/v1/customers/${customerId}/grants`, {
        asset: 'USD',
        amount: String(random.between(1, 40)),
      });
    } else if (dice < 0.35) {
      await send('charge', '/v1/charge', { ...spend, amount: cents(12) });
    } else if (dice < 0.6 || holds.length === 0) {
      const yes = await send('authorize', '/v1/authorize', { ...spend, amount: cents(20), ttl_ms: 3_600_000 });
      if (yes) holds.push(yes.body.id);
    } else if (dice < 0.66) {
      await send('extend', `${hold}/extend`, { amount: cents(8) });
    } else if (dice < 0.7) {
      await send('settle', `${hold}/settle`, { amount: cents(4), final: false });
    } else {
      holds.shift();
      // Now and then both at once: one of them ends the hold.
      const settle = dice < 0.88 ? send('settle', `${hold}/settle`, { amount: cents(24) }) : undefined;
      const release = dice > 0.85 ? send('release', `${hold}/release`, {}) : undefined;
      await Promise.all([settle, release]);
    }
  }
}

/** For people: how many of what, and how they ended. */
export function tally(all: readonly Asked[]): string {
  const counts = new Map<string, number>();
  for (const asked of all) {
    const name = `${asked.kind} ${verdictOf(asked)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return `${all.length} operations: ${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}`;
}
