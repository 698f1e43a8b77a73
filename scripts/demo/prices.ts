// Amounts of the demo, and how long the model would take.
import { price } from '../../src/sdk/farebox.ts';
import type { Arrival } from './trace.ts';

export const ASSET = 'USD';

/** The longest answer that is allowed: the trace's own limit. */
export const ANSWER_TOKENS_MAX = 1_000;

// Of a mid-sized model: until the first token, and for each one.
const FIRST_TOKEN_MS = 300;
const TOKEN_MS = 20;

export const answerTokens = (arrival: Arrival): number => Math.min(arrival.answerTokens, ANSWER_TOKENS_MAX);

export function modelMs(arrival: Arrival): number {
  return FIRST_TOKEN_MS + arrival.answerTokens * TOKEN_MS;
}

/** For adding up and for showing; nothing is decided by it. */
export function nanos(amount: string): bigint {
  const [units = '0', fraction = ''] = amount.split('.');
  return BigInt(units + fraction.padEnd(9, '0'));
}

export function usd(amount: bigint): string {
  return price(amount, '1', 1_000_000_000);
}
