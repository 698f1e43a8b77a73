// Settle a hold at its true cost; one that has expired is settled late, once, with its terms from the ledger.
import type { HoldLeg, HoldRecord, SourcedLeg } from '../records.ts';
import type { Atoms } from '../units.ts';
import type { Account } from './decision.ts';
import { closedAs, findEndedHold, targetOfHold, type Closed, type HoldTarget, type NoHold } from './ended-hold.ts';
import { execute } from './execute.ts';
import { packFallbacks, type FallbackLine } from './fallbacks.ts';
import { lateKey } from './keys.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { marksOf, type Marks } from './marks.ts';
import type { Operation } from './operation.ts';
import { packDues, packHold, type HoldTerms } from './packed.ts';
import { packScopes, type ScopedPart } from './scopes.ts';
import { settleScript } from './scripts.gen.ts';
import { staleOf, type Known, type Stale, type TooLarge, type Unpriced } from './stale.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';
import { mergeTold, packLines, readLinesText } from './lines.ts';

export type SettleRequest = {
  environmentId: string;
  holdId: string;
  /** Of the hold's first asset. */
  amount: Atoms;
  /** In other assets, each once. */
  dues: readonly { asset: number; amount: Atoms }[];
  /** Of an event: what scopes of grants cover of it. */
  parts: readonly ScopedPart[];
  /** Of an event: the lines that fall back on other assets; they are in no part. */
  fallbacks: readonly FallbackLine[];
  final: boolean;
  /** `unpriced`: only a first answer is repeated. */
  onExcess: 'charge' | 'cap' | 'reject' | 'unpriced';
  operation: Operation;
  attached: string;
} & Pick<Known, 'catalogVersion' | 'config' | 'redisMs' | 'told' | 'lines'>;

export type Settled = Account &
  Marks & {
    status: 'settled';
    settled: Atoms;
    released: Atoms;
    overage: Atoms;
    /** Of a hold in several assets: each, the first one too. */
    legs: ToldLeg[] | undefined;
    late: boolean;
    open: boolean;
    version: number;
    /** What the request brought to be told; on a repeat, what the first one brought. */
    told: string;
  };

type SettleOutcome =
  | Settled
  /** In this asset, which still holds that much. */
  | { status: 'exceeds_hold'; asset: number; held: Atoms }
  | { status: 'too_many_assets' }
  | TooLarge
  | Unpriced
  | Stale
  | Closed
  | NoHold
  | { status: 'balance_limit' }
  | Trouble;

export async function settle(store: Store, request: SettleRequest): Promise<SettleOutcome> {
  const target = targetOfHold(request.environmentId, request.holdId);
  if (!target) return { status: 'no_hold' };
  const outcome = await settleOnce(store, target, request, '');
  if (outcome !== 'not_in_redis') return outcome;
  const found = await findEndedHold(store, target);
  if (found.status !== 'ended') return found;
  if (found.hold.status !== 'expired') return closedAs(found.hold);
  const late = await settleOnce(store, target, request, packHold(unsourced(found.hold)));
  if (late !== 'not_in_redis') return late;
  // Another late settle came first: the ledger will say what it took.
  const again = await findEndedHold(store, target);
  return again.status === 'ended' ? closedAs(again.hold) : again;
}

/** What it took from grants has gone back to them. */
function unsourced({ createdAtMs, expiresAtMs, legs: [first, ...others], tags, scopes }: HoldRecord): HoldTerms {
  const none = (leg: HoldLeg): SourcedLeg => ({ ...leg, sources: [] });
  return { createdAtMs, expiresAtMs, legs: [none(first), ...others.map(none)], tags, scopes };
}

async function settleOnce(
  store: Store,
  target: HoldTarget,
  request: SettleRequest,
  expiredHold: Buffer | string,
): Promise<SettleOutcome | 'not_in_redis'> {
  const reply = await execute(
    store,
    settleScript,
    target,
    request.operation,
    {
      asset: target.asset,
      holdRef: target.ref,
      amountAtoms: request.amount,
      final: request.final ? '1' : '0',
      onExcess: request.onExcess,
      expiredHold,
      attached: request.attached,
      catalogVersion: request.catalogVersion === undefined ? '' : String(request.catalogVersion),
      configVersion: String(request.config.version),
      toldText: request.told,
      duesPacked: request.dues.length === 0 ? '' : packDues(request.dues),
      scopesPacked: packScopes(request.parts, request.fallbacks),
      fallbacksPacked: packFallbacks(request.fallbacks),
      linesPacked: packLines(request.lines ?? [], request.redisMs),
    },
    lateKey(target, target.ref),
  );
  switch (reply.status) {
    case 'settled':
      return {
        status: 'settled',
        settled: reply.settledAtoms,
        released: reply.releasedAtoms,
        overage: reply.overageAtoms,
        legs: readLegsText(reply.legsText),
        available: reply.availableAtoms,
        held: reply.heldAtoms,
        late: reply.lateFlag === 1,
        open: reply.openFlag === 1,
        version: reply.version,
        told: mergeTold(reply.toldText, readLinesText(reply.linesText)),
        ...marksOf(reply),
      };
    case 'exceeds_hold':
      return { status: 'exceeds_hold', asset: reply.shortAsset, held: reply.withinAtoms };
    case 'too_many_assets':
      return { status: 'too_many_assets' };
    case 'too_large':
      return { status: reply.status, lineNo: reply.lineNo };
    case 'stale':
      return staleOf(reply);
    case 'out_of_bounds':
      return { status: 'balance_limit' };
    case 'unknown_hold':
    case 'closed':
      return 'not_in_redis';
    case 'no_customer':
      return { status: 'no_hold' };
    case 'unpriced':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
