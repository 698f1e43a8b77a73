// Which attempts were decided in a Redis that lost nothing of them: of these everything must hold, whatever was lost later.
//
// A partition's entries are one sequence within an epoch, and what is lost of it is its end. So an attempt that was sent after
// its epoch was opened, and answered before the last entry that its wallet has of that epoch, was decided before something
// that was not lost; unless somebody else decided meanwhile, as a primary does that was replaced: the scenario says when.
import type { Sql } from '../../../src/db/connect.ts';
import { isYes, type Attempt, type Request } from '../history.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import type { LossWindow } from './losses.ts';

export type Epoch = {
  readonly partition: number;
  readonly epoch: number;
  /** By the clock of Redis and Postgres, as entries have it. */
  readonly openedAtMs: number;
  /** Undefined: it is the present one. */
  readonly sealedSeq: number | undefined;
  /** The last that callers were told of, as gateways reported it. */
  readonly acknowledgedSeq: number;
};

/** An instant of the clients' clock, by that of entries: it lies between the two. */
export type WallClock = (clientMs: number) => { readonly leastMs: number; readonly mostMs: number };

/** Where acknowledged operations may be lost: what has to be known to tell which could not. */
export type MayLose = {
  readonly epochs: readonly Epoch[];
  readonly wallClock: WallClock;
  /** When answers may have been given that are lost, though what came after them is not. */
  readonly windows: readonly LossWindow[];
};

export type Kept = (attempt: Attempt) => boolean;

export const allKept: Kept = () => true;

/** Of one wallet, whose entries these are. */
export function keptOf(entries: readonly LedgerEntry[], partition: number, mayLose: MayLose): Kept {
  const { epochs, wallClock, windows } = mayLose;
  const own = epochs.filter((epoch) => epoch.partition === partition).sort((a, b) => b.epoch - a.epoch);
  const lastAtMs = new Map(entries.map(({ epoch, atMs }) => [epoch, atMs]));
  return ({ sentMs, endedMs }) => {
    if (windows.some(({ fromMs, toMs }) => endedMs >= fromMs && sentMs <= toMs)) return false;
    const { leastMs } = wallClock(sentMs);
    const begun = own.find(({ openedAtMs }) => openedAtMs <= leastMs);
    return begun !== undefined && wallClock(endedMs).mostMs < (lastAtMs.get(begun.epoch) ?? -Infinity);
  };
}

export const firstSentMs = ({ attempts }: Request): number =>
  attempts.reduce((first, { sentMs }) => Math.min(first, sentMs), Infinity);

/** When the first yes was there that is not lost; for ever, where none was. */
export const firstYesMs = ({ attempts }: Request, isKept: Kept): number =>
  attempts.reduce(
    (first, attempt) => (isYes(attempt.reply) && isKept(attempt) ? Math.min(first, attempt.endedMs) : first),
    Infinity,
  );

/** Its two ends are as far apart as the clocks were, when they were compared at the begin and are now. */
export function openWallClock(): WallClock {
  const offset = () => Date.now() - performance.now();
  const first = offset();
  return (clientMs) => {
    const offsets = [first, offset()];
    return { leastMs: clientMs + Math.min(...offsets) - 1, mostMs: clientMs + Math.max(...offsets) + 1 };
  };
}

export async function readEpochs(sql: Sql): Promise<Epoch[]> {
  const rows = await sql<
    { partition: number; epoch: number; openedAtMs: number; sealedSeq: bigint | null; acknowledgedSeq: bigint }[]
  >`
    select partition, epoch, coalesce(extract(epoch from opened_at) * 1000, 0)::float8 as "openedAtMs",
      sealed_seq as "sealedSeq", coalesce(acknowledged_seq, 0) as "acknowledgedSeq"
    from epochs order by partition, epoch`;
  return rows.map(({ sealedSeq, acknowledgedSeq, ...row }) => ({
    ...row,
    sealedSeq: sealedSeq === null ? undefined : Number(sealedSeq),
    acknowledgedSeq: Number(acknowledgedSeq),
  }));
}
