// A proxy before Postgres that sees what is asked, and can lose a reply: it passes on a statement, lets it be done, and cuts
// the connection.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type CuttingProxy = {
  url: string;
  /** The text of each statement, as often as it was run. */
  asked: string[];
  /** From the next message with this text on, replies are lost, and then the connection. */
  cutAfter: (text: string) => void;
  close: () => Promise<void>;
};

// Long enough for a commit.
const doneAfterMs = 300;

export async function cuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  let cutText: string | undefined;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const read = statementReader((text) => asked.push(text));
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
      read(sent);
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
    asked,
    cutAfter: (text) => {
      cutText = text;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Takes what a client sends, in whatever pieces; tells of each statement that is bound, or sent as it is. */
function statementReader(onStatement: (text: string) => void): (sent: Buffer) => void {
  const prepared = new Map<string, string>();
  let rest: Buffer = Buffer.alloc(0);
  let isStarted = false;
  return (sent) => {
    rest = Buffer.concat([rest, sent]);
    for (;;) {
      // The first message has no type; a wish for TLS comes before it, in eight bytes.
      const headLength = isStarted ? 1 : 0;
      if (rest.length < headLength + 4) return;
      const length = headLength + rest.readInt32BE(headLength);
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (!isStarted) {
        isStarted = length > 8;
        continue;
      }
      const type = String.fromCharCode(message[0]!);
      const [first = '', second = ''] = message.subarray(5).toString('latin1').split('\0', 2);
      if (type === 'P') prepared.set(first, second);
      else if (type === 'B') onStatement(prepared.get(second) ?? '');
      else if (type === 'Q') onStatement(first);
    }
  };
}
