// What clients asked, with every answer and when: the half of a history that the ledger does not have.
import { operationOf } from '../../src/wallet/operation.ts';

export type Kind = 'grant' | 'void' | 'authorize' | 'charge' | 'extend' | 'settle' | 'release';

/** Enough of any reply's body; what a check reads of it, it compares as text or number. */
export type Body = Readonly<Record<string, string | number | boolean | null | undefined>>;
export type Reply = { readonly status: number; readonly body: Body; readonly replayed: boolean };

/** One sending. Times are of one monotonic clock; `reply` is absent where the connection broke before it was there. */
export type Attempt = {
  readonly gateway: string;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly reply: Reply | undefined;
};

/** One operation: it has one Idempotency-Key, however often it is sent. */
export type Request = {
  readonly kind: Kind;
  readonly customerId: string;
  readonly path: string;
  readonly body: Body;
  /** Of an event: what its prices count. */
  readonly data?: Readonly<Record<string, number>>;
  readonly key: string;
  readonly attempts: Attempt[];
  /** The key came with another body before: this one must be refused. */
  readonly reusesKey?: true;
};

/** What the client knows: yes; no, and that nothing happened; or that it cannot tell. */
export type Verdict = 'yes' | 'no' | 'open';

/** A "no" speaks of all that was sent before it, and of nothing that was still under way when it was asked for. */
export function verdictOf({ attempts }: Request): Verdict {
  if (attempts.some(({ reply }) => isYes(reply))) return 'yes';
  const doubtUntilMs = attempts.reduce(
    (latest, attempt) => (isInDoubt(attempt.reply) ? Math.max(latest, attempt.endedMs) : latest),
    -Infinity,
  );
  if (doubtUntilMs === -Infinity) return 'no';
  return attempts.some(({ reply, sentMs }) => isNo(reply) && sentMs >= doubtUntilMs) ? 'no' : 'open';
}

export function isYes(reply: Reply | undefined): boolean {
  return reply !== undefined && reply.status < 300;
}

/** A decision against it; a 503 decides nothing. */
export function isNo(reply: Reply | undefined): boolean {
  return reply !== undefined && reply.status >= 400 && reply.status < 500;
}

export function isInDoubt(reply: Reply | undefined): boolean {
  return reply === undefined || (reply.status >= 500 && reply.body['outcome'] !== 'not_applied');
}

export const bodyOf = ({ body, data }: Request): object => (data ? { ...body, data } : body);

export function operationIdOf(environmentId: string, { kind, path, customerId, key, body }: Request): string {
  // A body that names its customer counts in its own scope.
  const named = kind === 'authorize' || kind === 'charge' ? customerId : undefined;
  return operationOf({ environmentId, path, customerId: named, key, body }).id;
}

/** For a report: what was asked, and how it was answered. */
export function describeRequest(request: Request): string {
  const { kind, customerId, path, body, key, attempts } = request;
  const answers = attempts.slice(0, 5).map(({ reply, gateway }) => {
    if (!reply) return `${gateway}: none`;
    const { code = '', outcome = '', detail = '', version } = reply.body;
    const said = version === undefined ? [code, outcome, detail] : [`version ${String(version)}`];
    return `${gateway}: ${reply.status} ${said.map(String).join(' ').trim()}${reply.replayed ? ' (replayed)' : ''}`;
  });
  const more = attempts.length > 5 ? ` … ${attempts.length} in all` : '';
  const where = kind === 'authorize' || kind === 'charge' ? customerId : path;
  return `${kind} ${where} ${JSON.stringify(body)} key ${key} → ${answers.join(', ') || 'never sent'}${more}`;
}
