// A port that leads to another, and hands on late what comes from there: a replica behind it lags by as much as one wishes.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export type SlowLink = {
  port: number;
  /** What arrives from now on is handed on so much later. */
  delay: (ms: number) => void;
  /** Ends the connections; what was under way is lost, and whoever comes again is refused until `mend`. */
  cut: () => void;
  mend: () => void;
  stop: () => Promise<void>;
};

export async function startSlowLink(to: number): Promise<SlowLink> {
  let delayMs = 0;
  let isCut = false;
  const sockets = new Set<Socket>();
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer({ noDelay: true }, (near) => {
    if (isCut) return void near.destroy();
    const far = createConnection({ port: to, host: '127.0.0.1', noDelay: true });
    near.pipe(far);
    far.on(
      'data',
      late(near, () => delayMs),
    );
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
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    delay: (ms) => {
      delayMs = ms;
    },
    cut: () => {
      isCut = true;
      destroyAll();
    },
    mend: () => {
      isCut = false;
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      destroyAll();
      await closed;
    },
  };
}

/** Hands chunks on in order, each not before it is due. */
function late(to: Socket, delayMs: () => number): (chunk: Buffer) => void {
  const queue: { chunk: Buffer; dueMs: number }[] = [];
  const handOn = () => {
    while (queue[0] && queue[0].dueMs <= performance.now()) to.write(queue.shift()!.chunk);
    if (queue[0] && !to.destroyed) setTimeout(handOn, Math.max(1, queue[0].dueMs - performance.now()));
  };
  return (chunk) => {
    queue.push({ chunk, dueMs: performance.now() + delayMs() });
    if (queue.length === 1) handOn();
  };
}
