// No fault at all: load alone, two gateways on the same wallets. What fails here fails by itself.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario.ts';

const roundMs = 4_000;

export const calm: Scenario = {
  name: 'calm',
  fault: 'none',
  mustHold: '0 lost, 0 twice',
  isCalm: true,
  inject: async (_, rounds) => sleep(roundMs * rounds),
};
