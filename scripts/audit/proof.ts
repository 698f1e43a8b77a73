// One proof of the audit: what it claims, and how it looks for what breaks the claim.
import type { Transaction } from '../../src/db/connect.ts';

export type Verdict = {
  /** How many of the proof's `unit` were looked at. */
  readonly checked: number;
  /** How many break the claim; `offenders` says which, as far as there is room. */
  readonly failed: number;
  readonly offenders: readonly Offender[];
};

export type Offender = {
  /** Its ids. */
  readonly who: string;
  readonly what: string;
};

export type Proof = {
  readonly name: string;
  readonly claim: string;
  readonly unit: string;
  readonly run: (sql: Transaction, onChecked: (checked: number) => void) => Promise<Verdict>;
};

type Fragment = ReturnType<Transaction>;

/** Enough to begin looking; what one fault breaks is often everywhere. */
export const offendersMax = 10;

/** Runs `offenders`, whose rows are `who` and `what`; those at the head of its order are told. */
export async function judge(sql: Transaction, checked: number, offenders: Fragment): Promise<Verdict> {
  const rows = await sql<(Offender & { failed: bigint })[]>`
    select who, what, count(*) over () as failed from (${offenders}) offender order by who, what limit ${offendersMax}`;
  return {
    checked,
    failed: Number(rows[0]?.failed ?? 0n),
    offenders: rows.map(({ who, what }) => ({ who, what })),
  };
}

export async function countRows(sql: Transaction, table: string): Promise<number> {
  const [row] = await sql<{ count: bigint }[]>`select count(*) from ${sql(table)}`;
  return Number(row?.count ?? 0n);
}

/** How a wallet is named in reports, from the columns of these names. */
export function walletName(sql: Transaction): Fragment {
  return sql`format('env_%s wallet %s', environment_id, wallet_id)`;
}

/** Several verdicts on the same things, as one. */
export function joinVerdicts(first: Verdict, ...others: Verdict[]): Verdict {
  const all = [first, ...others];
  return {
    checked: first.checked,
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
    offenders: all.flatMap(({ offenders }) => offenders).slice(0, offendersMax),
  };
}
