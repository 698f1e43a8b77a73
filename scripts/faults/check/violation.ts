// What a check finds wrong. Each belongs to one check by name, so that it can be told which of them catches what.

/** Every check of the campaign, and what it claims. */
export const checks = {
  contiguous: 'versions of a wallet count from 1 without a gap',
  time: 'time in a wallet never runs backwards',
  replay: 'each entry is what the model makes of the operations before it',
  replies: 'each yes is what the model answers at its place',
  refusals: 'each no is what the model answers at a version that the wallet had meanwhile',
  priced: 'an event is priced by prices that stood while it was under way',
  repeats: 'a repeat is answered as the first was, and another body under its key is refused',
  once: 'an operation has one entry at most',
  acknowledged: 'each yes has its entry; where there are losses, each that could not be among them',
  'no-debit': 'what was refused has no entry',
  unasked: 'no entry of an operation that nobody asked for',
  'real-time': 'what was answered before another was asked has the smaller version',
  resolved: 'an unknown outcome resolves by retry',
  answers: 'no gateway answers 500 or 401, or is in doubt where nothing was broken',
  ends: 'wallets are at the end as the ledger says',
  swept: 'holds that ran out have ended, though nobody asked',
  stored: 'what Redis stores of a wallet is what Postgres stores of it',
  audit: 'the ledger proves by itself',
  quarantine: 'nothing was set aside',
  drained: 'all that was written reaches the ledger',
  reported: 'what was lost is reported, epoch by epoch, and no more than can have been lost',
  bounded: 'what was lost was acknowledged when it could be lost',
  sealed: 'no entry of an epoch beyond where it was sealed',
  processes: 'no gateway and no worker ends by itself',
  scenario: 'what the scenario itself demands',
} as const;

export type CheckName = keyof typeof checks;
export type Violation = { readonly check: CheckName; readonly who: string; readonly what: string };
