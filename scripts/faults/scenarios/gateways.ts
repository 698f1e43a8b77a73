// Gateways that are killed under load, and replies that never reach them.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Plan, Proxy } from '../../../test/faults/proxy.ts';
import type { Random } from '../../../test/faults/seeded.ts';
import type { Scenario } from '../scenario.ts';

export const gatewayKilled: Scenario = {
  name: 'gateway-killed',
  fault: 'gateway killed',
  mustHold: '0 lost, 0 twice; unknown outcomes resolve by retry',
  world: { gateways: 3 },
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 3 * rounds; round += 1) {
      await sleep(random.between(400, 1_500));
      const victim = random.pick(world.gateways);
      await victim.process.kill();
      count('gateways killed');
      world.gateways.splice(world.gateways.indexOf(victim), 1);
      await world.addGateway();
    }
    await sleep(500);
  },
};

export const repliesDropped: Scenario = {
  name: 'replies-dropped',
  fault: 'replies dropped, requests delayed',
  mustHold: '0 twice; unknown outcomes resolve by retry',
  world: { gateways: 3, proxied: true },
  inject: async ({ world, random, count }, rounds) => {
    const { proxy } = world;
    if (!proxy) throw new Error('this scenario needs the proxy');
    proxy.follow(plan(proxy, random));
    await sleep(8_000 * rounds);
    proxy.follow(undefined);
    // What is held back still arrives, and is refused or found done.
    while (proxy.waiting() > 0) await sleep(50);
    for (const [what, times] of Object.entries(proxy.counts)) count(what, times);
  },
};

const doomedShare = 0.04;
const spending = new Set(['authorize', 'charge', 'extend']);

/** Every fault, each as often as leaves few connections some time to live. */
function plan(proxy: Proxy, random: Random): Plan {
  const overtaken = async (operationId: string) => {
    if (random.chance(0.5)) await proxy.answered(operationId, 900);
    await sleep(random.between(0, 400));
  };
  // Of some operations both of a gateway's attempts come to nothing, and arrive when its caller has asked another one.
  const doomed = new Map<string, number>();
  return ({ name, operationId }): Fault | undefined => {
    const dice = random.next();
    const left = doomed.get(operationId) ?? (spending.has(name) && random.chance(doomedShare) ? 2 : 0);
    doomed.set(operationId, Math.max(0, left - 1));
    if (left > 0) return { kind: 'hold_request', until: sleep(random.between(1_300, 2_600)) };
    if (dice < 0.02) return { kind: 'drop_reply' };
    if (dice < 0.035) return { kind: 'hold_request', until: overtaken(operationId) };
    if (dice < 0.04) return { kind: 'cut_request' };
    if (dice < 0.05) return { kind: 'delay_reply', ms: random.between(1, 60) };
    if (dice < 0.053) return { kind: 'delay_reply', ms: random.between(900, 1_400) };
    if (dice < 0.056) return { kind: 'stall_request', until: sleep(random.between(900, 1_400)) };
    return undefined;
  };
}
