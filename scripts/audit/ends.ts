// Proof: a hold is opened once and ends once.
//
// The one thing that may follow its end is a late settle, once, and only where it had expired.
import { judge, walletName, type Proof } from './proof.ts';

export const ends: Proof = {
  name: 'ends',
  claim: 'each hold is opened once and ends at most once; only one that expired is settled late, once',
  unit: 'holds',
  run: async (sql) => {
    const [row] = await sql<{ count: bigint }[]>`
      select count(*) from (select distinct environment_id, wallet_id, hold_ref from entries where hold_ref is not null) hold`;
    return judge(
      sql,
      Number(row?.count ?? 0n),
      sql`
        with hold as (
          select environment_id, wallet_id, hold_ref,
            min(version) as first, max(version) as last,
            count(*) filter (where kind = 'hold') as opened_count,
            min(version) filter (where kind = 'hold') as opened,
            count(*) filter (where hold_status <> 'open' and not late) as ended_count,
            max(version) filter (where hold_status <> 'open' and not late) as ended,
            bool_or(kind = 'expire_hold') as has_expired,
            count(*) filter (where late) as late_count,
            bool_and(kind = 'settle' and hold_status = 'settled') filter (where late) as is_late_settle
          from entries where hold_ref is not null
          group by environment_id, wallet_id, hold_ref
        ),
        judged as (
          select *, case
            when opened_count <> 1 or opened <> first then format('is opened %s times, first touched at version %s', opened_count, first)
            when ended_count > 1 then format('ends %s times, last at version %s', ended_count, ended)
            when late_count > 1 then format('is settled late %s times, last at version %s', late_count, last)
            when late_count = 1 and not (is_late_settle and has_expired and ended_count = 1 and last > ended)
              then format('is settled late at version %s, and had not expired', last)
            when late_count = 0 and last > ended then format('ends at version %s, and is changed at %s', ended, last)
          end as what
          from hold
        )
        select ${walletName(sql)} || ' hold ' || hold_ref as who, what from judged where what is not null`,
    );
  },
};
