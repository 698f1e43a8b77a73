// Proof, where the stand-in's books are at hand: of each currency, what Stripe took and kept is what was credited and not taken back.
//
// `payments` proves that each row has its credit; this one, that the rows have what Stripe has. What is under way there and not
// heard of yet makes a difference, so it is for a Farebox that is at rest.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Books } from '../stripe/world.ts';
import { offendersMax, type Proof } from './proof.ts';

export type StripeBooks = Pick<Books, 'charges' | 'refunds' | 'disputes'>;

/** The books of the stand-in that runs with the launcher; undefined: there is none. */
export function findStripeBooks(env: NodeJS.ProcessEnv): StripeBooks | undefined {
  const file = join(env['FAREBOX_DATA_DIR']?.trim() || '.data', 'stripe-stand-in.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Books) : undefined;
}

type Sum = { environment: string; currency: string; money: bigint };

export const stripeBooks = (books: StripeBooks): Proof => ({
  name: 'stripe',
  claim: "of each currency, what Stripe's stand-in took and kept is what was credited, less what was taken back",
  unit: 'charges',
  run: async (sql) => {
    const ours = await sql<Sum[]>`
      select top_ups.environment_id as environment, currency,
        (sum(coalesce(paid, price)) - coalesce(sum(gone.money), 0))::bigint as money
      from top_ups
      left join (
        select environment_id, top_up_id as id, sum(money) as money from refunds where outcome = 'taken' group by 1, 2
      ) gone on (gone.environment_id, gone.id) = (top_ups.environment_id, top_ups.id)
      where grant_no is not null
      group by 1, 2`;
    const theirs = keptByStripe(books);
    const known = await sql<{ id: string }[]>`select id from environments`;
    const sums = new Map<string, { ours: bigint; theirs: bigint }>();
    const sumOf = ({ environment, currency }: Sum) => {
      const name = `env_${environment} ${currency}`;
      const sum = sums.get(name) ?? { ours: 0n, theirs: 0n };
      sums.set(name, sum);
      return sum;
    };
    for (const sum of ours) sumOf(sum).ours += sum.money;
    // Of others, and of a Farebox that was here before, the books may tell, too.
    const isKnown = ({ environment }: Sum) => known.some(({ id }) => id === environment);
    for (const sum of theirs.filter(isKnown)) sumOf(sum).theirs += sum.money;
    const offenders = [...sums]
      .filter(([, sum]) => sum.ours !== sum.theirs)
      .map(([who, sum]) => ({ who, what: `${sum.theirs} there, ${sum.ours} credited, in the smallest unit` }));
    return { checked: theirs.length, failed: offenders.length, offenders: offenders.slice(0, offendersMax) };
  },
});

/** Each charge, less what has gone back of it. */
function keptByStripe({ charges, refunds, disputes }: StripeBooks): Sum[] {
  const gone = [
    ...Object.values(refunds).filter(({ status }) => status === 'succeeded'),
    ...Object.values(disputes).filter(({ status }) => status === 'lost'),
  ];
  return Object.values(charges)
    .filter(({ paid, metadata }) => paid && metadata['farebox_top_up'] !== undefined)
    .map(({ id, amount, currency, metadata }) => ({
      environment: metadata['farebox_environment'] ?? '',
      currency: currency.toUpperCase(),
      money: gone
        .filter(({ charge }) => charge === id)
        .reduce((left, one) => left - BigInt(one.amount), BigInt(amount)),
    }));
}
