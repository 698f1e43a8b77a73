// What is wrong with an entry that its bytes alone can show; the drain sends it to quarantine instead of the ledger.
//
// What takes the wallet before it to see, the drain proves in SQL (src/db/prove.ts).
import { codes } from '../codes.gen.ts';
import { partitionOf } from '../wallet/keys.ts';
import { decodeEntry, type Entry } from './entry.ts';
import type { RawEntry } from './read.ts';

/** An entry on its way to the ledger, decoded. */
export type DecodedEntry = RawEntry & { entry: Entry };
/** One that the ledger will not take; whose it is, as far as its bytes say. */
export type BadEntry = RawEntry & {
  reason: string;
  environmentId?: string;
  walletId?: string;
  version?: number;
  /** How many seqs, from its own on, this stands for: more than one where entries are missing. */
  standsFor?: number;
};

const environmentForm = /^[a-z0-9]{12}$/;
const walletForm = /^[A-Za-z0-9_-]{21}[AQgw]$/;
// Where environment and wallet stand in an entry: lua/lib/entry.lua.
const environmentAt = 24;
const walletAt = 36;
const walletEnd = 58;

export function decode(raw: RawEntry): { status: 'good'; entry: DecodedEntry } | { status: 'bad'; entry: BadEntry } {
  try {
    const entry = decodeEntry(raw.packed);
    const reason = flawOf(entry, raw);
    if (reason === undefined) return { status: 'good', entry: { ...raw, entry } };
    return { status: 'bad', entry: { ...raw, reason, ...ownerOf(raw), version: entry.version } };
  } catch (error) {
    const reason = `does not decode: ${error instanceof Error ? error.message : String(error)}`;
    return { status: 'bad', entry: { ...raw, reason, ...ownerOf(raw) } };
  }
}

function flawOf(entry: Entry, { partition, epoch }: RawEntry): string | undefined {
  if (entry.epoch !== epoch) return `written in epoch ${entry.epoch}, found in the stream of epoch ${epoch}`;
  if (!environmentForm.test(entry.environment)) return 'its environment is no environment id';
  if (!walletForm.test(entry.walletId)) return 'its wallet is no wallet id';
  if (partitionOf(entry.walletId) !== partition) return `its wallet does not belong to partition ${partition}`;
  if (entry.version < 1) return 'versions count from 1';
  return flawOfLegs(entry) ?? flawOfGrants(entry) ?? flawOfHold(entry) ?? flawOfTexts(entry);
}

function flawOfLegs({ legs, grant }: Entry): string | undefined {
  if (new Set(legs.map((leg) => leg.asset)).size < legs.length) return 'an asset moves in two legs';
  for (const { asset, transfers } of legs) {
    for (const { debit, credit, atoms } of transfers) {
      if (atoms <= 0n) return 'a transfer of nothing';
      if (debit === credit) return 'a transfer from an account to itself';
      // The purpose of the funding account is that of the grant.
      if ((debit === 'funding' || credit === 'funding') && grant?.terms.asset !== asset)
        return 'funding without a grant';
    }
  }
  return undefined;
}

function flawOfGrants({ moves, grant }: Entry): string | undefined {
  if (new Set(moves.map((move) => move.grantNo)).size < moves.length) return 'a grant moves twice';
  if (moves.some((move) => move.grantNo === 0)) return 'grants count from 1';
  if (grant && (grant.terms.amount <= 0n || grant.terms.priority > 100)) return 'a grant with impossible terms';
  return undefined;
}

function flawOfHold({ hold, legs }: Entry): string | undefined {
  if (!hold) return undefined;
  const ofHold = hold.terms.legs;
  if (ofHold.length > codes.limit.hold_legs) return `a hold in ${ofHold.length} assets`;
  if (new Set(ofHold.map(({ asset }) => asset)).size < ofHold.length) return 'a hold with two legs in one asset';
  // Of the others, those that don't change are not named.
  if (!legs.some(({ asset }) => asset === ofHold[0].asset)) return 'a hold in an asset that does not move';
  for (const { held, amount, num, den, sources } of ofHold) {
    if (held > amount) return 'a hold that holds more than its amount';
    if (hold.status !== 'open' && held > 0n) return 'a hold that ended and still holds';
    if ((num === 0n) !== (den === 0n)) return 'a leg with half a rate';
    const sourced = sources.reduce((sum, { atoms }) => sum + atoms, 0n);
    if (sourced !== held || sources.some(({ atoms }) => atoms === 0n))
      return 'what a hold holds is not what it took from grants';
  }
  return undefined;
}

function flawOfTexts({ operationId, fingerprint, attached, reply, hold }: Entry): string | undefined {
  if (operationId === '' && (attached !== '' || reply.length > 0)) return 'a reply without an operation';
  if (operationId !== '' && reply.length === 0) return 'an operation without a reply';
  // Postgres keeps no zero bytes, and a replacement character in an id stands for bytes that were none.
  if ([operationId, fingerprint, hold?.ref ?? ''].some((text) => /[\0\uFFFD]/.test(text)))
    return 'an id that is no text';
  if (attached.includes('\0')) return 'a zero byte in what the caller attached';
  return undefined;
}

/** Entries of one wallet go to quarantine together, so whose an entry is is read even where the rest makes no sense. */
function ownerOf({ packed, partition }: RawEntry): { environmentId?: string; walletId?: string } {
  if (packed.length < walletEnd) return {};
  const environmentId = packed.toString('latin1', environmentAt, walletAt);
  const walletId = packed.toString('latin1', walletAt, walletEnd);
  if (!environmentForm.test(environmentId) || !walletForm.test(walletId) || partitionOf(walletId) !== partition)
    return {};
  return { environmentId, walletId };
}
