// The answers that authorize, charge and extend share: a no, and what a shadow would have said.
import { codes } from '../codes.gen.ts';
import type { Atoms } from '../units.ts';
import { namesByCode } from './packed.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { mergeTold, readLinesText, type ReckonedLines } from './lines.ts';

export type ReasonName = keyof typeof codes.reason;
export type Account = { available: Atoms; held: Atoms };
export type Declined = {
  status: 'declined';
  reason: ReasonName;
  available: Atoms;
  held: Atoms;
  /** The largest amount that would be approved now. */
  affordable: Atoms;
  /** Of which there is too little; undefined where no money would help. */
  shortAsset: number | undefined;
  /** The tightest budget that refuses, by its number in the wallet; undefined where none does. */
  budgetNo: number | undefined;
  /** What the request brought to be told; on a repeat, what the first one brought. */
  told: string;
  /** What the script priced, where it did. */
  reckoned: ReckonedLines | undefined;
  replayed?: true;
};
export type Shadow = (
  | { status: 'shadow_approved'; amount: Atoms }
  | { status: 'shadow_declined'; reason: ReasonName; affordable: Atoms; budgetNo: number | undefined }
) &
  Account & {
    version: number;
    /** Where there are several assets: each, the first one too; of a no, with what is lacking. */
    legs: ToldLeg[] | undefined;
    reckoned: ReckonedLines | undefined;
  };

export const reasonOf: (code: number) => ReasonName = namesByCode(codes.reason);

type RawDeclined = {
  reason: number;
  availableAtoms: Atoms;
  heldAtoms: Atoms;
  affordableAtoms: Atoms;
  shortAsset: number;
  budgetNo: number;
  /** Not of an extend: its asset is the hold's. */
  toldText?: string;
  /** Not in extend's. */
  linesText?: string;
  replayed?: true;
};
type RawShadow = { availableAtoms: Atoms; heldAtoms: Atoms; version: number; legsText: string; linesText: string } & (
  | { status: 'shadow_approved'; takeAtoms: Atoms }
  | { status: 'shadow_declined'; reason: number; affordableAtoms: Atoms; budgetNo: number }
);

export function declinedOf(reply: RawDeclined): Declined {
  const reckoned = readLinesText(reply.linesText ?? '');
  return {
    status: 'declined',
    reason: reasonOf(reply.reason),
    available: reply.availableAtoms,
    held: reply.heldAtoms,
    affordable: reply.affordableAtoms,
    shortAsset: reply.shortAsset || undefined,
    budgetNo: reply.budgetNo || undefined,
    told: mergeTold(reply.toldText ?? '', reckoned),
    reckoned,
    ...(reply.replayed && { replayed: true }),
  };
}

export function shadowOf(reply: RawShadow): Shadow {
  const { version, legsText, linesText } = reply;
  const account = {
    available: reply.availableAtoms,
    held: reply.heldAtoms,
    version,
    legs: readLegsText(legsText),
    reckoned: readLinesText(linesText),
  };
  return reply.status === 'shadow_approved'
    ? { status: reply.status, amount: reply.takeAtoms, ...account }
    : {
        status: reply.status,
        reason: reasonOf(reply.reason),
        affordable: reply.affordableAtoms,
        budgetNo: reply.budgetNo || undefined,
        ...account,
      };
}
