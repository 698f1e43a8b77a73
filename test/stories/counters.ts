// Counters of budgets as scripts pack them (lua/lib/budgets.lua), read and written.
import type { Counter as Packed } from '../../src/records.ts';
import { cursor } from '../../src/wallet/packed.ts';
import type { Counter } from '../model/counters.ts';
import { isUsage } from './prices.ts';

export function readCounters(counters: readonly Packed[]): Record<number, Counter> {
  const ofBudgets = counters.filter(({ name }) => !isUsage(name));
  return Object.fromEntries(ofBudgets.map(({ name, packed }) => [Number(name.slice(1)), readCounter(packed)]));
}

function readCounter(packed: Buffer): Counter {
  const from = cursor(packed);
  const [toldCount, toldIn, width, thresholdsCount] = [from.byte(), from.whole(), from.whole(), from.byte()];
  const list = (length: number) => Array.from({ length }, () => from.atoms());
  const counter: Counter = { told: list(toldCount), toldIn, width, thresholds: list(thresholdsCount), buckets: [] };
  while (!from.atEnd()) counter.buckets.push({ name: from.whole(), spent: from.atoms(), held: from.atoms() });
  return counter;
}

export function writeCounters(counters: Record<number, Counter>): Packed[] {
  return Object.entries(counters).map(([no, { told, toldIn, width, thresholds, buckets }]) => ({
    name: `b${no}`,
    packed: Buffer.concat([
      Buffer.from([told.length]),
      ...[toldIn, width].map(double),
      Buffer.from([thresholds.length]),
      ...told.map(double),
      ...thresholds.map(double),
      ...buckets.flatMap(({ name, spent, held }) => [name, spent, held].map(double)),
    ]),
  }));
}

function double(value: bigint | number): Buffer {
  const packed = Buffer.alloc(8);
  packed.writeDoubleBE(Number(value));
  return packed;
}
