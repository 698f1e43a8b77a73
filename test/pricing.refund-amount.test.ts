// What a refund is worth: in whatever parts, never more money than was paid, never more credit than was bought, and exactly that in the end.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { creditFor, moneyFor } from '../src/pricing/refund-amount.ts';

const seed = 20;
const amount = fc.bigInt({ min: 1n, max: 10n ** 15n });
const money = fc.bigInt({ min: 1n, max: 10n ** 9n });

test('credit given back in parts is worth what was paid, to the cent', () => {
  const parts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
  fc.assert(
    fc.property(amount, money, fc.constantFrom(1n, 10n, 100n), parts, (bought, paid, step, shares) => {
      const whole = { amount: bought, money: paid };
      const gone = { amount: 0n, money: 0n };
      const takeBack = (part: bigint) => {
        const given = moneyFor(whole, gone, part, step);
        gone.amount += part;
        gone.money += given;
        // Never more than its share.
        expect(gone.money * bought <= gone.amount * paid).toBe(true);
      };
      for (const share of shares) takeBack(((bought - gone.amount) * BigInt(Math.floor(share * 1_000))) / 1_000n);
      takeBack(bought - gone.amount);
      expect(gone).toEqual(whole);
    }),
    { seed },
  );
});

test('money taken back in parts is worth what was bought, and each part at least its share', () => {
  const parts = fc.array(money, { maxLength: 20 });
  fc.assert(
    fc.property(amount, money, parts, (bought, paid, given) => {
      const whole = { amount: bought, money: paid };
      const gone = { amount: 0n, money: 0n };
      for (const part of [...given, paid]) {
        gone.amount += creditFor(whole, gone, part);
        gone.money += part;
        expect(gone.amount <= bought && (gone.amount === bought || gone.amount * paid >= gone.money * bought)).toBe(
          true,
        );
      }
      expect(gone.amount).toBe(bought);
    }),
    { seed },
  );
});
