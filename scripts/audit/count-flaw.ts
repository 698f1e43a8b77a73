// What one entry counted in one budget or price, held against what the entry's money and lines say.
import { codes } from '../../src/codes.gen.ts';
import { readDecimal } from '../../src/pricing/decimal.ts';
import { fineDecimals } from '../../src/pricing/price.ts';
import { parseAmount } from '../../src/units.ts';
import { decodeBudgetCounter, readCrossing } from '../../src/wallet/packed.ts';
import { toldOf } from '../../src/wallet/told.ts';
import { readUsageBuckets } from '../../src/wallet/usage-buckets.ts';

export type CountedRow = {
  environmentId: string;
  walletId: string;
  version: bigint;
  kind: keyof typeof codes.kind;
  reply: Buffer | null;
  name: string;
  packed: Buffer;
  /** The budget's, and what the entry comes to in it; null: there is no such budget. */
  asset: number | null;
  amount: bigint;
  heldChange: bigint;
};

/** By environment and code. */
export type Scales = ReadonlyMap<string, number>;

/** `before` is the counter as the entry found it; undefined: nothing was counted yet. */
export function countFlaw(row: CountedRow, before: Buffer | undefined, scales: Scales): string | undefined {
  try {
    if (row.name.startsWith('u')) return usageFlaw(row, before, scales);
    if (row.name.startsWith('m')) return crossingFlaw(row, before);
    return row.asset === null ? 'belongs to no budget' : budgetFlaw(row, before);
  } catch (error) {
    return `cannot be read: ${(error as Error).message}`;
  }
}

// What a counter stands still at.
const spentMax = BigInt(codes.limit.balance_atoms);

function budgetFlaw({ kind, packed, amount, heldChange }: CountedRow, before: Buffer | undefined): string | undefined {
  const { buckets } = decodeBudgetCounter(packed);
  const known = new Map(before && decodeBudgetCounter(before).buckets.map((bucket) => [bucket.name, bucket]));
  let [spent, held] = [0n, 0n];
  for (const bucket of buckets) {
    const was = known.get(bucket.name);
    if (bucket.spent < 0n || bucket.held < 0n) return 'counts less than nothing';
    if (bucket.spent === spentMax) return undefined;
    spent += bucket.spent - (was?.spent ?? 0n);
    held += bucket.held - (was?.held ?? 0n);
  }
  const isWithin = (value: bigint, least: bigint, most: bigint) => value >= least && value <= most;
  const isRight = {
    charge: () => spent === -amount && held === 0n,
    hold: () => spent === 0n && held === heldChange,
    extend: () => spent === 0n && held === heldChange,
    settle: () => isWithin(spent, 0n, -amount) && isWithin(held, heldChange, 0n),
    release: () => spent === 0n && isWithin(held, heldChange, 0n),
    expire_hold: () => spent === 0n && isWithin(held, heldChange, 0n),
    budget_alert: () => spent === 0n && held === 0n,
  } satisfies Partial<Record<CountedRow['kind'], () => boolean>>;
  if (!(kind in isRight)) return `a ${kind} counts`;
  if (isRight[kind as keyof typeof isRight]()) return undefined;
  return `counts ${spent} more spent and ${held} more held, where the ${kind} spends ${-amount} and holds ${heldChange} more`;
}

/** Crossings of a bound are numbered upward, and none is told twice. */
function crossingFlaw({ name, packed }: CountedRow, before: Buffer | undefined): string | undefined {
  const numberOf = (state: Buffer) => readCrossing({ name, packed: state })!.crossingNo;
  const [told, last] = [numberOf(packed), before ? numberOf(before) : 0];
  return told > last ? undefined : `tells of crossing ${told}, after ${last}`;
}

/** What one window counts more is the line of a price. */
function usageFlaw(
  { environmentId, kind, packed, reply }: CountedRow,
  before: Buffer | undefined,
  scales: Scales,
): string | undefined {
  if (kind !== 'charge' && kind !== 'settle') return `a ${kind} counts`;
  const known = before ? readUsageBuckets(before) : [];
  const changes = readUsageBuckets(packed).flatMap((bucket) => {
    const was = known.find(({ fromMs, tillMs }) => fromMs === bucket.fromMs && tillMs === bucket.tillMs);
    const used = bucket.used - (was?.used ?? 0n);
    // Other terms bill anew what was used before.
    const billed = was && was.terms !== bucket.terms ? undefined : bucket.billed - (was?.billed ?? 0n);
    return was && used === 0n && (billed ?? 0n) === 0n ? [] : [{ used, billed }];
  });
  const [change] = changes;
  if (!change) return undefined;
  if (changes.length > 1) return 'counts in several windows';
  const told = reply ? toldOf(reply) : '';
  const { lines } = told === '' ? {} : (JSON.parse(told) as { lines?: ToldLine[] });
  if (!lines) return 'counts, and tells no lines';
  const isLine = ({ quantity, amount, asset }: ToldLine) =>
    valueOf(readDecimal(quantity, fineDecimals)) === change.used &&
    (change.billed === undefined ||
      atomsOf(parseAmount(amount, scales.get(`${environmentId} ${asset}`)!)) === change.billed);
  if (lines.some(isLine)) return undefined;
  return `counts ${change.used} millionths more, billed ${change.billed ?? 'by other terms'}, which no line of the ${kind} is`;
}

type ToldLine = { quantity: string; amount: string; asset: string };

const valueOf = (read: ReturnType<typeof readDecimal>) => (read.status === 'ok' ? read.value : undefined);
const atomsOf = (read: ReturnType<typeof parseAmount>) => (read.status === 'ok' ? read.atoms : undefined);
