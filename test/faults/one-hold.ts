// One hold and all that can end it, as a pure model; and whether replies that were given at once agree with any order.
//
// Money is in whole units, since what races here is who comes first. The customer has one grant that never ends.
export type Act =
  | { act: 'settle'; amount: number; onExcess?: 'charge' | 'cap' | 'reject' }
  | { act: 'release' }
  | { act: 'extend'; amount: number; ttlMs: number }
  /** The partition's clock moves on to this instant. */
  | { act: 'clock'; toMs: number }
  /** What is overdue is expired. */
  | { act: 'sweep' };

/** What a client is told, as far as it is the same for every path that leads to it. */
export type Told =
  | {
      told: 'settled';
      settled: number;
      released: number;
      overage: number;
      late: boolean;
      available: number;
      held: number;
    }
  | { told: 'released'; settled: number; released: number; available: number; held: number }
  | { told: 'extended'; amount: number; available: number; held: number; expiresAtMs: number }
  | { told: 'declined' }
  | { told: 'exceeds_hold' }
  | { told: 'closed'; how: 'settled' | 'released' | 'expired'; settled: number; released: number }
  | { told: 'nothing' };

export type Hold = {
  nowMs: number;
  expiresAtMs: number;
  status: 'open' | 'settled' | 'released' | 'expired';
  amount: number;
  held: number;
  settled: number;
  released: number;
  available: number;
  overage: number;
};

export function apply(before: Hold, act: Act): { hold: Hold; told: Told } {
  if (act.act === 'clock') {
    return { hold: { ...before, nowMs: Math.max(before.nowMs, act.toMs) }, told: { told: 'nothing' } };
  }
  const hold = { ...before };
  const isOver = hold.status === 'open' && hold.expiresAtMs <= hold.nowMs;
  if (isOver && !(act.act === 'settle' && act.onExcess === 'reject' && act.amount > hold.held)) end(hold, 'expired');
  switch (act.act) {
    case 'sweep':
      return { hold, told: { told: 'nothing' } };
    case 'release':
      if (hold.status !== 'open') return { hold, told: closed(hold) };
      end(hold, 'released');
      return {
        hold,
        told: { told: 'released', settled: hold.settled, released: hold.released, ...account(hold) },
      };
    case 'extend':
      return extend(hold, act.amount, act.ttlMs);
    case 'settle':
      return settle(hold, act);
  }
}

function extend(hold: Hold, amount: number, ttlMs: number): { hold: Hold; told: Told } {
  if (hold.status !== 'open') return { hold, told: closed(hold) };
  if (amount > 0 && (hold.overage > 0 || amount > hold.available)) return { hold, told: { told: 'declined' } };
  hold.amount += amount;
  hold.held += amount;
  hold.available -= amount;
  hold.expiresAtMs = Math.max(hold.expiresAtMs, hold.nowMs + ttlMs);
  const { expiresAtMs } = hold;
  return { hold, told: { told: 'extended', amount: hold.amount, ...account(hold), expiresAtMs } };
}

function settle(hold: Hold, act: Extract<Act, { act: 'settle' }>): { hold: Hold; told: Told } {
  if (hold.status === 'settled' || hold.status === 'released') return { hold, told: closed(hold) };
  // Past its time the money has come back: what came back counts as what is held.
  const late = hold.status === 'expired' || hold.expiresAtMs <= hold.nowMs;
  const within = late && hold.status === 'expired' ? hold.released : hold.held;
  if (act.amount > within && act.onExcess === 'reject') return { hold, told: { told: 'exceeds_hold' } };
  const spend = act.onExcess === 'cap' ? Math.min(act.amount, within) : act.amount;
  const fromHeld = late ? 0 : Math.min(spend, hold.held);
  const fromAvailable = Math.min(spend - fromHeld, hold.available);
  hold.settled += spend;
  hold.held -= fromHeld;
  hold.available -= fromAvailable;
  hold.overage += spend - fromHeld - fromAvailable;
  if (late) {
    hold.released = Math.max(0, hold.released - spend);
    hold.status = 'settled';
  } else {
    end(hold, 'settled');
  }
  const { settled, released, overage } = hold;
  return { hold, told: { told: 'settled', settled, released, overage, late, ...account(hold) } };
}

/** What is held comes back, overage first. */
function end(hold: Hold, status: Hold['status']): void {
  const repaid = Math.min(hold.overage, hold.held);
  hold.released += hold.held;
  hold.overage -= repaid;
  hold.available += hold.held - repaid;
  hold.held = 0;
  hold.status = status;
}

function closed({ status, settled, released }: Hold): Told {
  return { told: 'closed', how: status as 'settled' | 'released' | 'expired', settled, released };
}

function account({ available, held }: Hold): { available: number; held: number } {
  return { available, held };
}

/** An order in which these acts lead to these replies and to this end; undefined: there is none. */
export function findOrder(
  before: Hold,
  given: readonly { act: Act; told: Told }[],
  isEnd: (hold: Hold) => boolean,
): Act[] | undefined {
  if (given.length === 0) return isEnd(before) ? [] : undefined;
  for (const [at, { act, told }] of given.entries()) {
    const next = apply(before, act);
    if (JSON.stringify(next.told) !== JSON.stringify(told)) continue;
    const rest = findOrder(next.hold, given.toSpliced(at, 1), isEnd);
    if (rest) return [act, ...rest];
  }
  return undefined;
}

/** Every order of these. */
export function permutationsOf<T>(of: readonly T[]): T[][] {
  if (of.length === 0) return [[]];
  return of.flatMap((first, at) => permutationsOf(of.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}
