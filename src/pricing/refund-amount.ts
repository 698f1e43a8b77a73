// What a refund is worth: money for credit, and credit for money, in the proportion in which it was bought.
//
// Each is reckoned over all that has gone back, less what has gone back before: so parts come to the whole, to the cent and
// to the atom, and never to more. Money is rounded down, credit up.

/** What was bought, and what was paid for it; or what of both has gone back. */
export type Bought = { amount: bigint; money: bigint };

/** In the currency's smallest unit; it comes in steps of `step`. */
export function moneyFor(bought: Bought, before: Bought, amount: bigint, step: bigint): bigint {
  const inAll = before.amount + amount;
  const share = (inAll * bought.money) / bought.amount;
  const due = inAll >= bought.amount ? bought.money : share - (share % step);
  return due > before.money ? due - before.money : 0n;
}

export function creditFor(bought: Bought, before: Bought, money: bigint): bigint {
  const inAll = before.money + money;
  const share = (inAll * bought.amount + bought.money - 1n) / bought.money;
  const due = share < bought.amount ? share : bought.amount;
  return due > before.amount ? due - before.amount : 0n;
}
