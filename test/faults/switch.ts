// A port that leads to another: Postgres comes back on a port of its own choosing, and its clients know but one.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export type Switch = {
  port: number;
  /** Where new connections lead from now on. */
  leadTo: (port: number) => void;
  stop: () => Promise<void>;
};

export async function startSwitch(to: number): Promise<Switch> {
  let target = to;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = createConnection({ port: target, host: '127.0.0.1', noDelay: true });
    near.pipe(far);
    far.pipe(near);
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
    leadTo: (port) => {
      target = port;
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
