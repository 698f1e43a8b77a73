// A price over a period, and what is added to it, as the bytes that lua/lib/tiers.lua reads. The layout stands there.
import { codes } from '../codes.gen.ts';
import { zeroAtoms } from '../units.ts';
import { fine, type PeriodCost, type Quantity, type Tier } from './price.ts';

type Packable = { isVolume: boolean; size: bigint; per: bigint; tiers: readonly Tier[] };

const limbBase = 1_000_000n;
// Whole units and their millionths, before the tiers.
const quantityLength = 12;
const headLength = 12;

// The last tier ends where counting does.
const countEnd = (BigInt(codes.limit.counter_units) * fine) as Quantity;

// A published price never changes, so its bytes are made once.
const packedCosts = new WeakMap<PeriodCost, Uint8Array>();

export function packPeriodLine(cost: PeriodCost, quantity: Quantity): Uint8Array {
  const packed = packedCosts.get(cost) ?? packCost(cost);
  packedCosts.set(cost, packed);
  const line = new Uint8Array(quantityLength + packed.length);
  writeQuantity(new DataView(line.buffer), 0, quantity);
  line.set(packed, quantityLength);
  return line;
}

/** A whole number in base 10^6, low digits first. */
function limbsOf(value: bigint): number[] {
  const limbs: number[] = [];
  for (let rest = value; rest > 0n; rest /= limbBase) limbs.push(Number(rest % limbBase));
  return limbs.length === 0 ? [0] : limbs;
}

function packCost(cost: PeriodCost): Uint8Array {
  const { isVolume, size, per, tiers } = packableOf(cost);
  const rates = tiers.map(({ rate }) => limbsOf(rate));
  const limbsCount = Math.max(...rates.map((limbs) => limbs.length));
  const tierLength = quantityLength + 8 + 4 * limbsCount;
  const view = new DataView(new ArrayBuffer(headLength + tiers.length * tierLength));
  view.setUint8(0, isVolume ? 1 : 0);
  view.setUint32(1, Number(size));
  view.setUint32(5, Number(per));
  view.setUint16(9, tiers.length);
  view.setUint8(11, limbsCount);
  for (const [no, { upTo, flat }] of tiers.entries()) {
    const at = headLength + no * tierLength;
    writeQuantity(view, at, upTo ?? countEnd);
    view.setFloat64(at + quantityLength, Number(flat));
    for (const [place, limb] of rates[no]!.entries()) view.setUint32(at + quantityLength + 8 + 4 * place, limb);
  }
  return new Uint8Array(view.buffer);
}

/** Packages are counted in whole ones, then priced like units. */
function packableOf(cost: PeriodCost): Packable {
  switch (cost.model) {
    case 'package':
      return {
        isVolume: false,
        size: cost.size,
        per: 1n,
        tiers: [{ upTo: undefined, rate: cost.rate, flat: zeroAtoms }],
      };
    case 'graduated':
    case 'volume':
      return { isVolume: cost.model === 'volume', size: 0n, per: cost.per, tiers: cost.tiers };
  }
}

function writeQuantity(view: DataView, at: number, quantity: Quantity): void {
  view.setFloat64(at, Number(quantity / fine));
  view.setUint32(at + 8, Number(quantity % fine));
}
