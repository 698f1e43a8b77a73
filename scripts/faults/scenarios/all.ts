// Every scenario, in the order in which they run.
import type { Scenario } from '../scenario.ts';
import { aofBytes, aofBytesAlways } from './aof-bytes.ts';
import { calm } from './calm.ts';
import { clocks } from './clocks.ts';
import { failedBack, failedOver, failedOverReplicated } from './failover.ts';
import { diskFull } from './disk-full.ts';
import { foreign } from './foreign.ts';
import { gatewayKilled, repliesDropped } from './gateways.ts';
import { keys, walletsDeleted } from './keys.ts';
import { priced } from './priced.ts';
import { commitUnheard, lockTimeout, postgresAway, postgresKilled } from './postgres.ts';
import {
  aofCut,
  aofCutTwice,
  emptied,
  flushed,
  putBack,
  redisKilled,
  redisKilledAlways,
  bothKilled,
} from './redis-lost.ts';
import { redisFull, redisStands, rolling, scriptsFlushed } from './redis.ts';
import {
  recoveryFrozenSteps,
  recoverySteps,
  workerFrozenMinute,
  workerFrozenSteps,
  workerSteps,
} from './worker-steps.ts';
import { twoReleases } from './releases.ts';
import { manyWorkers, workerFrozen, workerKilled } from './workers.ts';

export const scenarios: readonly Scenario[] = [
  calm,
  priced,
  gatewayKilled,
  repliesDropped,
  workerKilled,
  workerFrozen,
  manyWorkers,
  workerSteps,
  workerFrozenSteps,
  recoveryFrozenSteps,
  recoverySteps,
  workerFrozenMinute,
  postgresKilled,
  postgresAway,
  commitUnheard,
  lockTimeout,
  diskFull,
  redisFull,
  scriptsFlushed,
  redisStands,
  rolling,
  twoReleases,
  redisKilled,
  redisKilledAlways,
  bothKilled,
  aofCut,
  aofCutTwice,
  aofBytes,
  aofBytesAlways,
  flushed,
  emptied,
  putBack,
  failedOver,
  failedOverReplicated,
  failedBack,
  clocks,
  foreign,
  keys,
  walletsDeleted,
];
