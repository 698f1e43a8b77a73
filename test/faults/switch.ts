// A port that leads to another: Postgres comes back on a port of its own choosing, and its clients know but one.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export type Switch = {
  port: number;
  /** Where new connections lead from now on. */
  leadTo: (port: number) => void;
  /** Ends the connections that are there. */
  cut: () => void;
  /** As when a host is lost: connections that are there fall silent, and nobody on this side hears that they ended. */
  silence: () => void;
  stop: () => Promise<void>;
};

export async function startSwitch(to: number): Promise<Switch> {
  let target = to;
  const sockets = new Set<Socket>();
  const pairs = new Map<Socket, Socket>();
  const silent = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = createConnection({ port: target, host: '127.0.0.1', noDelay: true });
    pairs.set(near, far);
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
        pairs.delete(near);
        if (!silent.has(other)) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (port) => {
      target = port;
    },
    cut: () => {
      for (const far of pairs.values()) far.destroy();
    },
    silence: () => {
      for (const [near, far] of pairs) {
        silent.add(near);
        near.unpipe(far);
        far.unpipe(near);
        near.resume();
        far.destroy();
      }
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
