// Usage that counts over a period, as a script takes it to price it, and what it says each line costs (lua/lib/usage.lua).
//
// Lua knows no time zones: windows are computed here, for the instant that Redis's clock is thought to show, or at which a
// hold was opened. Where that is another window, the script answers `stale` with the instant.
import { hash } from 'node:crypto';
import { packPeriodLine } from '../pricing/pack.ts';
import { utc } from '../pricing/local-time.ts';
import { windowAt } from '../pricing/period.ts';
import { formatAmount, toAtoms, type Atoms } from '../units.ts';
import type { PeriodPrice, Quantity } from '../pricing/price.ts';

/** The script knows what was used before, and so what this costs. */
export type SentLine = {
  productId: string;
  price: PeriodPrice;
  quantity: Quantity;
  /** Which part of what is due in its asset it belongs to, from 1 (scopes.ts). */
  part: number;
};

/** Of a reply: what the first asset was asked for in all, then what each line costs, in the order sent. */
export type ReckonedLines = { requested: Atoms; lines: Atoms[] };

/** `c8 name, H asset, B part, dd window, I4 terms; H length, line` each. */
export function packLines(lines: readonly SentLine[], atMs: number): Buffer | '' {
  return lines.length === 0 ? '' : Buffer.concat(lines.map((line) => packLine(line, atMs)));
}

/** Undefined: nothing counted over a period. */
export function readLinesText(text: string): ReckonedLines | undefined {
  if (text === '') return undefined;
  const [requested, ...lines] = text.split(' ').map(toAtoms);
  return { requested: requested!, lines };
}

/** What was told of an event, with what the script reckoned put in. */
export function mergeTold(told: string, reckoned: ReckonedLines | undefined): string {
  if (!reckoned) return told;
  const { scale, lines } = JSON.parse(told) as { scale: number; lines: ToldLine[] };
  const amounts = reckoned.lines.values();
  return JSON.stringify({
    requested: formatAmount(reckoned.requested, scale),
    lines: lines.map((line) => {
      if (!('scale' in line)) return line;
      const { price_id, price_version, quantity, asset } = line;
      return { price_id, price_version, quantity, amount: formatAmount(amounts.next().value!, line.scale), asset };
    }),
  });
}

/** A line as it is told before the script has priced it has a scale in place of an amount. */
type ToldLine = { price_id: string; price_version: number; quantity: string; asset: string } & (
  | { amount: string }
  | { scale: number }
);

const nameLength = 8;
const headLength = nameLength + 25;

function packLine({ productId, price, quantity, part }: SentLine, atMs: number): Buffer {
  const { startMs, endMs } = usageWindow(price, atMs);
  const { name, terms } = markOf(productId, price);
  const line = packPeriodLine(price.cost, quantity);
  const packed = Buffer.alloc(headLength + line.length);
  packed.write(name, 0, 'latin1');
  packed.writeUInt16BE(price.asset.number, 8);
  packed.writeUInt8(part, 10);
  packed.writeDoubleBE(startMs, 11);
  packed.writeDoubleBE(endMs, 19);
  packed.writeUInt32BE(terms, 27);
  packed.writeUInt16BE(line.length, 31);
  packed.set(line, headLength);
  return packed;
}

/** The one that usage at this instant counts in. */
export function usageWindow({ over }: PeriodPrice, atMs: number): { startMs: number; endMs: number } {
  return windowAt({ unit: over, timeZone: utc }, atMs);
}

/** The counter's name behind `u`, and which terms bill what it counts. */
type Mark = { name: string; terms: number };

// A published price never changes.
const marks = new WeakMap<PeriodPrice, Mark>();

// What is billed is of one asset, so a price that changes it counts anew; other terms are told by their own bytes.
export function markOf(productId: string, price: PeriodPrice): Mark {
  const known = marks.get(price);
  if (known) return known;
  const name = hash('sha256', `${productId}\0${price.id}\0${price.asset.number}`, 'base64url').slice(0, nameLength);
  const terms = Buffer.from(hash('sha256', packPeriodLine(price.cost, 0n as Quantity), 'hex'), 'hex').readUInt32BE();
  const mark = { name, terms };
  marks.set(price, mark);
  return mark;
}
