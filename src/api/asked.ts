// What a request asks for, in atoms, and what an answer says of it: put together by ask-spend.ts.
import type { PricedLine } from '../contract.ts';
import type { Asset } from '../records.ts';
import { toAtoms, type Atoms } from '../units.ts';
import type { FallbackLine } from '../wallet/fallbacks.ts';
import type { AskedLeg } from '../wallet/legs.ts';
import { mergeTold, type ReckonedLines, type SentLine } from '../wallet/lines.ts';
import type { ScopedPart } from '../wallet/scopes.ts';
import type { TooLarge } from '../wallet/stale.ts';
import { format } from './amount.ts';
import type { Refused } from './answer.ts';
import { refuseTooLarge } from './price-event.ts';

/** What an answer is about: on a repeat, what the first one was about, whatever the catalog says by now. */
export type Spoken = {
  asset: Pick<Asset, 'number' | 'code' | 'scale'>;
  amount: Atoms;
  /** The amount as replies write it. */
  requested: string;
  /** Of an event. */
  lines?: PricedLine[] | undefined;
};

export type Asked = Spoken & {
  status: 'asked';
  /** What is due in other assets, besides. */
  legs: AskedLeg[];
  /** What scopes of grants cover of an event; none of a plain amount. */
  parts: readonly ScopedPart[];
  /** Of what is due, the lines that fall back on other assets. */
  fallbacks: readonly FallbackLine[];
  /** Undefined: nothing was priced. */
  catalogVersion: number | undefined;
  /** What the script prices, since it knows what was used before: on top of the amounts, and not in `lines` yet. */
  sentLines: SentLine[];
  /** What a reply says of an event, kept with it so that a repeat says the same. */
  told: string;
};

/** What the first reply to this request said of its event. */
export function readTold(told: string): { requested?: string; lines?: PricedLine[] } {
  return told === '' ? {} : (JSON.parse(told) as { requested: string; lines: PricedLine[] });
}

/** As if the gateway had priced all of it. Undefined: it has. */
export function withReckoned(asked: Asked, reckoned: ReckonedLines | undefined): Asked {
  if (!reckoned) return asked;
  const { asset, sentLines, legs } = asked;
  const ofLines = (number: number): bigint =>
    reckoned.lines.reduce((sum, atoms, i) => (sentLines[i]!.price.asset.number === number ? sum + atoms : sum), 0n);
  const told = mergeTold(asked.told, reckoned);
  return {
    ...asked,
    amount: reckoned.requested,
    requested: format(reckoned.requested, asset),
    legs: legs.map((leg) => ({ ...leg, amount: toAtoms(leg.amount + ofLines(leg.asset)) })),
    lines: readTold(told).lines,
    told,
  };
}

export function refuseLine({ sentLines }: Asked, { lineNo }: TooLarge): Refused {
  return refuseTooLarge(sentLines[lineNo - 1]!.price.id);
}
