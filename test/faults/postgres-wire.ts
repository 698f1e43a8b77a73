// Where messages of the Postgres protocol end, and which statement they are about:
// https://www.postgresql.org/docs/current/protocol-message-formats.html
//
// What a client sends up to a Sync or a simple Query is one request; the server's answer to it ends with ReadyForQuery.
// What ends with Flush only asks for a statement's types, and is answered up to them.
export type Awaited = 'ready' | 'types' | 'login';
export type PostgresRequest = {
  bytes: Buffer;
  /** Up to where it is answered, if it is. */ awaits: Awaited | undefined;
  statement: string;
};

const kinds = { sync: 'S', flush: 'H', query: 'Q', parse: 'P', bind: 'B', password: 'p', terminate: 'X' } as const;
const statementShownMax = 60;

/** Returns the requests that a chunk completes. */
export function requestReader(): (chunk: Buffer) => PostgresRequest[] {
  // The first message of a connection has no letter.
  let isStarted = false;
  let rest: Buffer = Buffer.alloc(0);
  let readTo = 0;
  let statement = '';
  const statements = new Map<string, string>();
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const found: PostgresRequest[] = [];
    for (;;) {
      const head = isStarted ? 1 : 0;
      const end = endOfMessage(rest, readTo, head);
      if (end === undefined) return found;
      const kind = isStarted ? String.fromCharCode(rest[readTo]!) : 'startup';
      const body = rest.subarray(readTo + head + 4, end);
      if (kind === kinds.query) statement = textsOf(body, 1)[0] ?? '';
      if (kind === kinds.parse) {
        const [name = '', text = ''] = textsOf(body, 2);
        statements.set(name, text);
        statement = text;
      }
      if (kind === kinds.bind) statement = statements.get(textsOf(body, 2)[1] ?? '') ?? '';
      isStarted = true;
      readTo = end;
      if (!isLast(kind)) continue;
      found.push({ bytes: rest.subarray(0, end), awaits: awaitedAfter(kind), statement: shortened(statement) });
      statement = '';
      rest = rest.subarray(end);
      readTo = 0;
    }
  };
}

const isLast = (kind: string): boolean => kind !== kinds.parse && kind !== kinds.bind && !'DECF'.includes(kind);

function awaitedAfter(kind: string): Awaited | undefined {
  if (kind === 'startup') return 'login';
  if (kind === kinds.flush) return 'types';
  return kind === kinds.password || kind === kinds.terminate ? undefined : 'ready';
}

const ready = 'Z';
const endsTypes = 'TnE';

/** Returns what a chunk completes: whole answers, but of a login each message; `awaits` says whose turn it is. */
export function replyReader(
  awaits: () => Awaited | undefined,
): (chunk: Buffer) => Generator<{ bytes: Buffer; isEnd: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  let readTo = 0;
  return function* read(chunk) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = endOfMessage(rest, readTo, 1); end !== undefined; end = endOfMessage(rest, readTo, 1)) {
      const kind = String.fromCharCode(rest[readTo]!);
      readTo = end;
      const awaited = awaits();
      const isEnd = kind === ready || (awaited === 'types' && endsTypes.includes(kind));
      // Unasked: that the server goes down.
      if (!isEnd && awaited !== 'login' && awaited !== undefined) continue;
      const bytes = rest.subarray(0, end);
      rest = rest.subarray(end);
      readTo = 0;
      yield { bytes, isEnd };
    }
  };
}

function endOfMessage(bytes: Buffer, from: number, head: number): number | undefined {
  if (bytes.length < from + head + 4) return undefined;
  const end = from + head + bytes.readInt32BE(from + head);
  return end > bytes.length ? undefined : end;
}

function textsOf(body: Buffer, count: number): string[] {
  const texts: string[] = [];
  for (let at = 0; texts.length < count;) {
    const end = body.indexOf(0, at);
    if (end < 0) break;
    texts.push(body.toString('utf8', at, end));
    at = end + 1;
  }
  return texts;
}

/** Enough of it to tell it from others. */
function shortened(statement: string): string {
  return statement.replaceAll(/\s+/g, ' ').trim().slice(0, statementShownMax);
}
