// Counters of budgets as scripts pack them (lua/lib/budgets.lua), read and written.
import type { Counter as Packed } from '../../src/records.ts';
import { cursor } from '../../src/wallet/packed.ts';
import type { Counter } from '../model/counters.ts';

export function readCounters(counters: readonly Packed[]): Record<number, Counter> {
  return Object.fromEntries(counters.map(({ name, packed }) => [Number(name.slice(1)), readCounter(packed)]));
}

function readCounter(packed: Buffer): Counter {
  const from = cursor(packed);
  const counter: Counter = {
    alerts: from.byte(),
    toldIn: from.whole(),
    width: from.whole(),
    thresholds: Array.from({ length: from.byte() }, () => from.atoms()),
    buckets: [],
  };
  while (!from.atEnd()) counter.buckets.push({ name: from.whole(), spent: from.atoms(), held: from.atoms() });
  return counter;
}

export function writeCounters(counters: Record<number, Counter>): Packed[] {
  return Object.entries(counters).map(([no, { alerts, toldIn, width, thresholds, buckets }]) => ({
    name: `b${no}`,
    packed: Buffer.concat([
      Buffer.from([alerts]),
      ...[toldIn, width].map(double),
      Buffer.from([thresholds.length]),
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
