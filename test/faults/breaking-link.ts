// A way to Postgres that breaks for good at the n-th request: before Postgres hears of it, or after it has answered, unheard.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { requestReader } from './postgres-wire.ts';

export type BreakingLink = { url: string; isBroken: () => boolean; stop: () => Promise<void> };

export async function startBreakingLink(
  databaseUrl: string,
  { at, when, onBroken }: { at: number; when: 'before' | 'after'; onBroken: () => void },
): Promise<BreakingLink> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let requests = 0;
  let isBroken = false;
  const breakOff = () => {
    isBroken = true;
    for (const socket of sockets) socket.destroy();
    onBroken();
  };
  const server = createServer({ noDelay: true }, (near) => {
    if (isBroken) return void near.destroy();
    const far = createConnection({ port: Number(target.port), host: target.hostname, noDelay: true });
    const read = requestReader();
    let isLast = false;
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => {
      const asked = read(chunk).filter(({ awaits }) => awaits === 'ready').length;
      requests += asked;
      const isReached = asked > 0 && requests >= at && !isBroken;
      if (isReached && when === 'before') return breakOff();
      isLast ||= isReached;
      far.write(chunk);
    });
    // What it answers says that it was done.
    far.on('data', (chunk) => (isLast ? breakOff() : near.write(chunk)));
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    isBroken: () => isBroken,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
