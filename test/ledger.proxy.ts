// A proxy before Postgres that loses a reply: it passes on a statement, lets it be done, and cuts the connection.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type CuttingProxy = {
  url: string;
  /** From the next message with this text on, replies are lost, and then the connection. */
  cutAfter: (text: string) => void;
  close: () => Promise<void>;
};

// Long enough for a commit.
const doneAfterMs = 300;

export async function cuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let cutText: string | undefined;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let isCut = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.on('data', (sent) => {
      if (cutText !== undefined && sent.includes(cutText)) {
        isCut = true;
        setTimeout(() => client.destroy(), doneAfterMs);
      }
      upstream.write(sent);
    });
    upstream.on('data', (reply) => {
      if (!isCut) client.write(reply);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    cutAfter: (text) => {
      cutText = text;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
