// What an answer says about itself: that it repeats an earlier one, and that no replica confirmed it in time.
import type { Unconfirmed } from './confirm.ts';

export type Marks = { replayed?: true } & Unconfirmed;

const none: Marks = {};

export function marksOf({ replayed, unconfirmed }: Marks): Marks {
  if (!replayed && !unconfirmed) return none;
  return { ...(replayed && { replayed }), ...(unconfirmed && { unconfirmed }) };
}
