// A socket to Postgres that ends gently, for postgres.js.
//
// The driver forgets its socket in the moment that it closes, and a write after that throws where nobody can catch it:
// losing the connection inside a transaction, whose rollback is such a write, ends the process; a small write that was
// about to be sent leaves the connection unusable for good (postgres 3.4.9, porsager/postgres#1154 and #1208). A gateway
// has to outlive its Postgres. So this socket, once the connection is lost, first fails what is under way, fails at once
// whatever is still written to it, and says that it closed only when nothing was written for a while.
//
// A host that is lost says nothing at all, and TCP waits a quarter of an hour for it: so a connection whose server owes an
// answer for too long is lost, too.
//
// It speaks TLS where the URL asks for it, since the driver would put its own TLS socket, which ends the usual way, on top.
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

export type Address = { host: string; port: number } | { path: string };
/** `verified`: only a server that proves its name. `required`: any server, encrypted. `preferred`: in the clear where it must be. */
export type TlsMode = 'off' | 'preferred' | 'required' | 'verified';

/** Longer than anything that a transaction waits for, other than Postgres. */
const quietMs = 250;
const pipelineBytesMax = 64 * 1_024 * 1_024;
// Postgres's own way to ask for TLS, before anything else is sent; it answers with one letter.
const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const tlsAccepted = 'S'.charCodeAt(0);
// How every answer ends: ReadyForQuery, whose length is 5 and whose last byte is the transaction's state.
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);

/** `silenceMsMax`: the longest that Postgres says nothing while something was asked of it. */
export function steadySocket(address: Address, tls: TlsMode, silenceMsMax: number): Duplex {
  let upstream: Socket | undefined;
  let owesAnswer = false;
  let lost: Error | undefined;
  let isEnding = false;
  let closing: NodeJS.Timeout | undefined;

  const close = () => {
    closing = undefined;
    socket.emit('close', lost !== undefined);
  };
  const lose = (error: Error) => {
    if (lost || isEnding) return;
    lost = error;
    upstream?.destroy();
    fail();
  };
  /** What is under way hears of it now; the close comes when nobody has written for a while. */
  const fail = () => {
    if (socket.listenerCount('error') > 0) socket.emit('error', lost);
    clearTimeout(closing);
    closing = setTimeout(close, quietMs);
    closing.unref();
    clearTimeout(silence);
  };
  const silence = setTimeout(() => {
    if (owesAnswer) lose(Object.assign(new Error('Postgres fell silent'), { code: 'ETIMEDOUT' }));
  }, silenceMsMax);
  silence.unref();

  const socket: Duplex = new Duplex({
    autoDestroy: false,
    emitClose: false,
    // The driver sends the next statement of a row of them only while this much has room.
    writableHighWaterMark: pipelineBytesMax,
    construct(done) {
      open(address, tls).then(
        (opened) => {
          upstream = opened;
          opened.on('data', (received: Buffer) => {
            owesAnswer = !endsAnswer(received);
            silence.refresh();
            if (!socket.push(received)) opened.pause();
          });
          opened.on('error', lose);
          opened.on('close', () => {
            if (isEnding) close();
            else lose(connectionLost());
          });
          done();
        },
        (error: Error) => {
          // The writes that wait for it go nowhere. Nothing ever began on it, so nothing goes on either.
          done();
          lose(error);
          clearTimeout(closing);
          setImmediate(close);
        },
      );
    },
    read() {
      upstream?.resume();
    },
    write(sent: Buffer, _encoding, done) {
      if (upstream && !lost) {
        if (!owesAnswer) silence.refresh();
        owesAnswer = true;
        upstream.write(sent, () => done());
      } else {
        done();
        process.nextTick(fail);
      }
    },
    final(done) {
      isEnding = true;
      clearTimeout(silence);
      if (upstream && !lost) upstream.end(done);
      else {
        done();
        process.nextTick(close);
      }
    },
    destroy(error, done) {
      lose(error ?? connectionLost());
      done(null);
    },
  });
  Object.defineProperty(socket, 'readyState', { get: () => (lost ? 'closed' : 'open') });
  return socket;
}

function endsAnswer(received: Buffer): boolean {
  const at = received.length - 1 - readyForQuery.length;
  return at >= 0 && received.subarray(at, -1).equals(readyForQuery);
}

/** As libpq reads it: `sslmode=require` encrypts, `verify-full` also looks at the certificate. */
export function tlsModeOf(databaseUrl: string): TlsMode {
  const { searchParams } = new URL(databaseUrl);
  switch (searchParams.get('sslmode') ?? searchParams.get('ssl') ?? 'disable') {
    case 'disable':
    case 'false':
      return 'off';
    case 'allow':
    case 'prefer':
      return 'preferred';
    case 'require':
      return 'required';
    default:
      return 'verified';
  }
}

async function open(address: Address, tls: TlsMode): Promise<Socket> {
  const plain = await opened(connectPlain({ ...address, keepAlive: true, noDelay: true }), 'connect');
  if (tls === 'off') return plain;
  plain.write(tlsRequest);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    plain.once('data', resolve);
    plain.once('error', reject);
    plain.once('close', () => reject(connectionLost()));
  });
  plain.removeAllListeners();
  if (answer[0] !== tlsAccepted) {
    if (tls === 'preferred') return plain;
    plain.destroy();
    throw new Error('Postgres does not speak TLS, and the URL asks for it');
  }
  const name = 'host' in address && !isIP(address.host) ? { servername: address.host } : {};
  return opened(connectTls({ socket: plain, rejectUnauthorized: tls === 'verified', ...name }), 'secureConnect');
}

async function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
  await new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
  });
  socket.removeAllListeners('error');
  return socket;
}

function connectionLost(): Error {
  return Object.assign(new Error('the connection to Postgres was lost'), { code: 'CONNECTION_CLOSED' });
}
