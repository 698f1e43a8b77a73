// A primary and a replica, and the ports by which everybody reaches whichever is the primary: as behind a virtual IP.
//
// A failover here is what a failover manager does to a primary that it cannot reach: the replica is promoted as far as it
// came, the address leads to it, and nobody asks the old primary. That one goes on serving whoever is connected to it still.
import { Redis } from 'ioredis';
import { startSlowLink } from '../../test/faults/slow-link.ts';
import { startSwitch } from '../../test/faults/switch.ts';
import { waitUntil } from '../stores/process.ts';
import { startRedis, type RedisOptions, type RedisServer } from '../stores/redis.ts';

export type Pair = {
  /** Leads to the primary. */
  readonly url: string;
  /** The same, for who hears of a failover later than others. */
  readonly lateUrl: string;
  /** The replica is from now on so far behind. */
  readonly lag: (ms: number) => void;
  /** The replica becomes the primary; what is under way to it is lost. The old one keeps its latecomers. */
  readonly failOver: () => Promise<void>;
  /** Latecomers hear of it. */
  readonly tellLatecomers: () => void;
  /** The old primary becomes a replica of the new one, and has what that one has. */
  readonly rejoin: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const joinBoundMs = 20_000;

export async function openPair(server: RedisServer, options: RedisOptions): Promise<Pair> {
  const second = await startRedis(options);
  const { password } = new URL(server.url);
  await told(second, new URL(second.url).password, [['CONFIG', 'SET', 'requirepass', password]]);
  const members = await Promise.all(
    [server, second].map(async (member) => {
      await told(member, password, [
        ['CONFIG', 'SET', 'masterauth', password],
        ['CONFIG', 'SET', 'repl-diskless-sync-delay', '0'],
      ]);
      return { server: member, link: await startSlowLink(member.port) };
    }),
  );
  let [primary, other] = [members[0]!, members[1]!];
  const [port, latePort] = [await startSwitch(server.port), await startSwitch(server.port)];
  const urlOf = (at: number) => {
    const url = new URL(server.url);
    url.port = String(at);
    return url.href;
  };
  const rejoin = async () => {
    primary.link.delay(0);
    primary.link.mend();
    await told(other.server, password, [['REPLICAOF', '127.0.0.1', String(primary.link.port)]]);
    const isUp = async () =>
      (await told(other.server, password, [['INFO', 'replication']])).includes('master_link_status:up');
    if (!(await waitUntil(isUp, joinBoundMs, 50))) throw new Error('the replica did not join its primary');
  };
  await rejoin();
  return {
    url: urlOf(port.port),
    lateUrl: urlOf(latePort.port),
    lag: (ms) => primary.link.delay(ms),
    failOver: async () => {
      primary.link.cut();
      await told(other.server, password, [['REPLICAOF', 'NO', 'ONE']]);
      [primary, other] = [other, primary];
      port.leadTo(primary.server.port);
      port.cut();
    },
    tellLatecomers: () => {
      latePort.leadTo(primary.server.port);
      latePort.cut();
    },
    rejoin,
    stop: async () => {
      for (const { link } of members) await link.stop();
      for (const one of [port, latePort]) await one.stop();
      await second.stop();
    },
  };
}

/** Tells a server something over a connection of its own; returns what it says to the last command. */
async function told(server: RedisServer, password: string, commands: [string, ...string[]][]): Promise<string> {
  const redis = new Redis({ host: '127.0.0.1', port: server.port, password, protocol: 2 });
  redis.on('error', () => undefined);
  try {
    let answer: unknown;
    for (const [name, ...args] of commands) answer = await redis.call(name, ...args);
    return String(answer);
  } finally {
    redis.disconnect();
  }
}
