// A hold around a piece of work: authorize, do it, settle what it cost, however it ends.
//
// The work tells what it has spent so far, as a total, whenever it knows more. When it returns, that total is settled.
// When it throws or is aborted, the total known by then is settled too, for the tokens were made; with nothing spent
// the hold is released. Settling does not heed the caller's signal, and is repeated under one key until it is answered or
// its time is over: then the error carries all that is needed to repeat it.
//
// What this does not guarantee: a process that dies settles nothing, and its hold expires by itself. The same goes for a
// caller that aborts while authorize is under way.
import type {
  Amount,
  Approved,
  AuthorizeRequest,
  Declined,
  ExtendRequest,
  Outcome,
  SettleRequest,
  Settled,
  SettleTerms,
  Usage,
  UsageEvent,
} from '../contract.ts';
import { FareboxError, type Unsettled } from './farebox-error.ts';
import { isZero } from './price.ts';
import { type CallOptions, checkedTimeoutMs, pause, randomKey } from './send.ts';

/** Not `shadow`: that decides and holds nothing. */
export type HoldRequest = AuthorizeRequest & { mode?: 'strict' | 'up_to' | undefined };

/** What the work has cost so far, or what happened in it, all of it, and how to settle that. An event is priced when it is settled. */
export type Spent = (Usage | UsageEvent) & Omit<SettleTerms, 'final'>;

export type WorkingHold = {
  readonly id: string;
  /** What is held now: in mode `up_to` perhaps less than was asked for; with what `extend` added. */
  readonly amount: Amount;
  /** The total so far; a later call replaces an earlier one. Throws once the hold has been settled or released. */
  readonly spent: (total: Amount | Spent) => void;
  /** More time or more money. A decline leaves the hold as it was. */
  readonly extend: (request: ExtendRequest, call?: CallOptions) => Promise<Approved | Declined>;
};

export type WithHoldOptions = CallOptions & {
  /** The hold is extended, at half of its time, for at most this long; 0: never. Default 3600000 ms. */
  readonly keepAliveMs?: number | undefined;
  /** How long to try to settle, 1–600000 ms; default 30000. */
  readonly settleMs?: number | undefined;
  /** After `signal` aborts, how long the work may take to say what it has spent; default 1000 ms. */
  readonly graceMs?: number | undefined;
};

export type Worked<Result> = {
  readonly status: 'settled';
  /** What the work returned. */
  readonly result: Result;
  readonly hold: Approved;
  readonly settlement: Settled;
};

/** The calls that it makes. */
export type HoldCalls = {
  readonly authorize: (request: HoldRequest, call?: CallOptions) => Promise<Approved | Declined>;
  readonly extend: (holdId: string, request: ExtendRequest, call?: CallOptions) => Promise<Approved | Declined>;
  readonly settle: (holdId: string, request: SettleRequest, call?: CallOptions) => Promise<Settled>;
  readonly release: (holdId: string, call?: CallOptions) => Promise<unknown>;
};

const KEEP_ALIVE_MS = 3_600_000;
const SETTLE_MS = 30_000;
// A call of this length and then another: the first does not wait for all of the time at a dead connection.
const SETTLE_CALL_MS_MAX = 10_000;
const GRACE_MS = 1_000;
// A hold that can't be extended is asked for at ever shorter intervals; below this it is left to expire.
const EXTEND_WAIT_MS_MIN = 100;
// Between attempts to settle, doubling: a restart takes a second, a recovery five.
const SETTLE_PAUSE_MS_MIN = 250;
const SETTLE_PAUSE_MS_MAX = 4_000;

export async function withHold<Result>(
  calls: HoldCalls,
  request: HoldRequest,
  work: (hold: WorkingHold) => Result | PromiseLike<Result>,
  options: WithHoldOptions = {},
): Promise<Worked<Result> | Declined> {
  const settleMs = checkedTimeoutMs(options.settleMs ?? SETTLE_MS);
  const approved = await calls.authorize(request, options);
  if (approved.status === 'declined') return approved;
  const account: Spending = { approved, current: approved, spent: null, hasEnded: false };
  const keeping = keepAlive(
    calls,
    account,
    request.ttl_ms ?? approved.remaining_ttl_ms,
    options.keepAliveMs ?? KEEP_ALIVE_MS,
  );
  const ending = await untilEnd(work, workingHold(calls, account), options);
  account.hasEnded = true;
  await keeping.stop();

  const { spent } = account;
  if (spent === null || (ending.status === 'threw' && isNothing(spent))) {
    await releaseQuietly(calls, approved.id);
    throw ending.status === 'threw'
      ? ending.error
      : new Error(`${approved.id}: the work returned without a word on what it spent (hold.spent)`);
  }
  const settlement = await settle(calls, approved.id, spent, ending, settleMs);
  if (ending.status === 'threw') throw ending.error;
  return { status: 'settled', result: ending.result, hold: approved, settlement };
}

type Spending = {
  readonly approved: Approved;
  /** As the last extend left it. */
  current: Approved;
  spent: Spent | null;
  hasEnded: boolean;
};

type Ending<Result> =
  | { readonly status: 'returned'; readonly result: Result }
  | { readonly status: 'threw'; readonly error: unknown };

function workingHold(calls: HoldCalls, account: Spending): WorkingHold {
  const { id } = account.approved;
  return {
    id,
    get amount() {
      return account.current.amount;
    },
    spent(total) {
      if (account.hasEnded) throw new Error(`${id}: too late to say what was spent, the hold has ended`);
      const spent = typeof total === 'object' ? total : { amount: total };
      // Both throw for what could not be settled, here where the mistake is.
      isNothing(spent);
      JSON.stringify(spent);
      account.spent = spent;
    },
    extend: (request, call) => extend(calls, account, request, call),
  };
}

async function extend(
  calls: HoldCalls,
  account: Spending,
  request: ExtendRequest,
  call?: CallOptions,
): Promise<Approved | Declined> {
  const answer = await calls.extend(account.approved.id, request, call);
  // Two may cross each other: the higher version is the later word.
  if (answer.status === 'approved' && answer.version > account.current.version) account.current = answer;
  return answer;
}

/** How the work ended; an abort that it does not heed ends the wait for it all the same. */
async function untilEnd<Result>(
  work: (hold: WorkingHold) => Result | PromiseLike<Result>,
  hold: WorkingHold,
  { signal, graceMs = GRACE_MS }: WithHoldOptions,
): Promise<Ending<Result>> {
  const over = new AbortController();
  const working = async (): Promise<Ending<Result>> => ({ status: 'returned', result: await work(hold) });
  const aborted = async (): Promise<Ending<Result>> => {
    await untilAborted(signal, over.signal);
    await pause(graceMs, over.signal);
    return { status: 'threw', error: signal?.reason };
  };
  try {
    return await Promise.race([working(), aborted()]);
  } catch (error) {
    return { status: 'threw', error };
  } finally {
    over.abort();
  }
}

function untilAborted(signal: AbortSignal | undefined, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal?.removeEventListener('abort', done);
      over.removeEventListener('abort', done);
      resolve();
    };
    if (signal?.aborted) return resolve();
    signal?.addEventListener('abort', done);
    over.addEventListener('abort', done);
  });
}

function keepAlive(
  calls: HoldCalls,
  account: Spending,
  ttlMs: number,
  keepAliveMs: number,
): { stop: () => Promise<void> } {
  const over = new AbortController();
  const endMs = performance.now() + keepAliveMs;
  const run = async () => {
    let expiresMs = performance.now() + account.approved.remaining_ttl_ms;
    for (;;) {
      const waitMs = (expiresMs - performance.now()) / 2;
      if (waitMs < EXTEND_WAIT_MS_MIN || performance.now() + waitMs > endMs) return;
      await pause(waitMs, over.signal);
      if (over.signal.aborted) return;
      try {
        const answer = await extend(calls, account, { ttl_ms: ttlMs }, { signal: over.signal });
        if (answer.status === 'approved') expiresMs = performance.now() + answer.remaining_ttl_ms;
      } catch (error) {
        // Ended or unknown: nothing to keep. Anything else may pass; should the hold expire, it is settled late.
        if (!(error instanceof FareboxError && error.retryable)) return;
      }
    }
  };
  const running = keepAliveMs > 0 ? run() : Promise.resolve();
  return {
    stop: () => {
      over.abort();
      return running;
    },
  };
}

/** What an event costs, even one of nothing, is for the server to say. */
function isNothing(spent: Spent): boolean {
  return 'amount' in spent && isZero(spent.amount) && (spent.costs ?? []).length === 0;
}

/** A hold that can't be released expires by itself: what the work threw matters more. */
async function releaseQuietly(calls: HoldCalls, holdId: string): Promise<void> {
  try {
    await calls.release(holdId);
  } catch (error) {
    if (!(error instanceof FareboxError)) throw error;
  }
}

async function settle(
  calls: HoldCalls,
  holdId: string,
  spent: Spent,
  ending: Ending<unknown>,
  settleMs: number,
): Promise<Settled> {
  const deadlineMs = performance.now() + settleMs;
  const idempotencyKey = randomKey();
  let pauseMs = SETTLE_PAUSE_MS_MIN;
  let outcome: Outcome = 'not_applied';
  for (;;) {
    const leftMs = Math.max(1, deadlineMs - performance.now());
    try {
      return await calls.settle(holdId, spent, { idempotencyKey, timeoutMs: Math.min(leftMs, SETTLE_CALL_MS_MAX) });
    } catch (error) {
      if (!(error instanceof FareboxError)) throw error;
      // What one attempt left open, no refusal of a later one can close.
      if (outcome !== 'unknown') outcome = error.outcome;
      const waitMs = error.retryAfterMs ?? pauseMs;
      if (!error.retryable || performance.now() + waitMs >= deadlineMs) {
        const work = ending.status === 'returned' ? { result: ending.result } : { workError: ending.error };
        throw unsettled(error, outcome, { holdId, request: spent, idempotencyKey, ...work });
      }
      await pause(waitMs, undefined);
      pauseMs = Math.min(pauseMs * 2, SETTLE_PAUSE_MS_MAX);
    }
  }
}

function unsettled(error: FareboxError, outcome: Outcome, left: Unsettled): FareboxError {
  const { code, status, problem, requestId, retryable, retryAfterMs, idempotencyKey } = error;
  const what = 'amount' in left.request ? left.request.amount : left.request.event_type;
  return new FareboxError(
    `${left.holdId}: ${what} not settled: ${error.message}`,
    { code, status, problem, requestId, outcome, retryable, retryAfterMs, idempotencyKey, unsettled: left },
    error,
  );
}
