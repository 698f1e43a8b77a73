// A way to an HTTP server that breaks for good at the n-th request: before it is heard, or after it is answered, unheard.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export type BreakingHttp = { url: string; isBroken: () => boolean; stop: () => Promise<void> };

const request = /^(GET|POST|DELETE) \//;

export async function startBreakingHttp(
  serverUrl: string,
  { at, when, onBroken }: { at: number; when: 'before' | 'after'; onBroken: () => void },
): Promise<BreakingHttp> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let count = 0;
  let isBroken = false;
  const breakOff = () => {
    isBroken = true;
    for (const socket of sockets) socket.destroy();
    onBroken();
  };
  const server = createServer({ noDelay: true }, (near) => {
    near.on('error', () => {});
    if (isBroken) return void near.destroy();
    const far = createConnection({ port: Number(target.port), host: target.hostname, noDelay: true });
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
      if (request.test(chunk.toString('latin1', 0, 16))) {
        count += 1;
        isLast = count === at;
        if (isLast && when === 'before') return breakOff();
      }
      far.write(chunk);
      return undefined;
    });
    far.on('data', (chunk) => (isLast ? breakOff() : near.write(chunk)));
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isBroken: () => isBroken,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
