// Explain: what authorize would do now, and the wallet that it would do it in.
//
// The same script decides, and stops where writing would begin, so an explanation cannot differ from what is explained. It
// names the wallet's version; the wallet is read besides, at that very version. Nothing happens but what time has made due,
// as with any reading.
import type { Atoms } from '../units.ts';
import { atomsFromRedis } from '../units.ts';
import { reasonOf, type ReasonName } from './decision.ts';
import { execute } from './execute.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { readWallet, type LiveWallet } from './read-wallet.ts';
import { authorizeScript } from './scripts.gen.ts';
import { readLinesText, type ReckonedLines } from './lines.ts';
import { spendArgs, type SpendRequest } from './spend-request.ts';
import { staleOf, type Stale, type TooLarge } from './stale.ts';
import type { Store } from './store.ts';
import { retryAfterMs, type Trouble } from './target.ts';

export type ExplainRequest = SpendRequest & { mode: 'strict' | 'up_to' };

export type Explained = {
  status: 'explained';
  /** As the request finds it. */
  wallet: LiveWallet;
  /** Of the budgets that cover the request, by number, before it. */
  budgets: Map<number, { spent: Atoms; held: Atoms }>;
  outcome: Outcome;
  /** Where there are several assets: what is asked for in each. */
  legs: ToldLeg[] | undefined;
  /** What it came to, where it counts over a period. */
  reckoned: ReckonedLines | undefined;
};

export type Outcome =
  /** `taken`: of each grant, by number. `bound`: in mode `up_to`, why it is no more; undefined: it is all that is asked for. */
  { status: 'would_approve'; amount: Atoms; taken: Map<number, Atoms>; bound: WouldDecline | undefined } | WouldDecline;

type WouldDecline = {
  status: 'would_decline';
  reason: ReasonName;
  affordable: Atoms;
  shortAsset: number | undefined;
  budgetNo: number | undefined;
};

/** All are sent at once: only another gateway, or what was due, comes between. */
const roundsMax = 20;

export async function explain(
  store: Store,
  request: ExplainRequest,
  ttlMs: number,
): Promise<Explained | TooLarge | Stale | Trouble> {
  for (let round = 1; round <= roundsMax; round += 1) {
    const [told, read, strictly] = await Promise.all([
      ask(store, request, request.mode, ttlMs),
      readWallet(store, request.wallet),
      // What refuses all of it is what bounds a part of it.
      request.mode === 'up_to' ? ask(store, request, 'strict', ttlMs) : undefined,
    ]);
    if (told.status !== 'told') return told;
    if (read.status !== 'wallet') return read;
    if (strictly && strictly.status !== 'told') return strictly;
    if (read.wallet.version !== told.version || (strictly && strictly.version !== told.version)) continue;
    const { status: _, version: __, ...rest } = told;
    const outcome = withBound(told.outcome, strictly?.outcome);
    return { status: 'explained', wallet: read.wallet, ...rest, outcome };
  }
  const detail = 'this wallet changes faster than it can be looked at';
  return { status: 'unavailable', detail, retryAfterMs };
}

function withBound(outcome: Outcome, strictly: Outcome | undefined): Outcome {
  const isPart = outcome.status === 'would_approve' && strictly?.status === 'would_decline';
  return isPart ? { ...outcome, bound: strictly } : outcome;
}

type Told = { status: 'told'; version: number } & Pick<Explained, 'outcome' | 'budgets' | 'legs' | 'reckoned'>;

async function ask(
  store: Store,
  request: ExplainRequest,
  mode: ExplainRequest['mode'],
  ttlMs: number,
): Promise<Told | TooLarge | Stale | Trouble> {
  const { wallet, operation } = request;
  const reply = await execute(store, authorizeScript, wallet, operation, spendArgs(request, `explain_${mode}`, ttlMs));
  switch (reply.status) {
    case 'would_approve': {
      const taken = new Map<number, Atoms>();
      for (const [no, atoms] of inGroups(reply.sourcesText, 2)) taken.set(Number(no), atoms!);
      const outcome = { status: reply.status, amount: reply.takeAtoms, taken, bound: undefined } as const;
      return { status: 'told', version: reply.version, outcome, ...readTexts(reply) };
    }
    case 'would_decline': {
      const outcome = {
        status: reply.status,
        reason: reasonOf(reply.reason),
        affordable: reply.affordableAtoms,
        shortAsset: reply.shortAsset || undefined,
        budgetNo: reply.budgetNo || undefined,
      } as const;
      return { status: 'told', version: reply.version, outcome, ...readTexts(reply) };
    }
    case 'too_large':
      return { status: reply.status, lineNo: reply.lineNo };
    case 'stale':
      return staleOf(reply);
    case 'approved':
    case 'declined':
    case 'shadow_approved':
    case 'shadow_declined':
    case 'unpriced':
      throw new Error(`an explanation was answered with ${reply.status}`);
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}

function readTexts(reply: { budgetsText: string; legsText: string; linesText: string }) {
  return {
    budgets: readBudgets(reply.budgetsText),
    legs: readLegsText(reply.legsText),
    reckoned: readLinesText(reply.linesText),
  };
}

function readBudgets(text: string): Explained['budgets'] {
  return new Map(inGroups(text, 3).map(([no, spent, held]) => [Number(no), { spent: spent!, held: held! }]));
}

function inGroups(text: string, size: number): Atoms[][] {
  const numbers = text === '' ? [] : text.split(' ').map((number) => atomsFromRedis(Number(number)));
  return Array.from({ length: numbers.length / size }, (_, i) => numbers.slice(i * size, (i + 1) * size));
}
