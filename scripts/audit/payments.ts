// Proof: credit that was bought came once, and went back as often as its money did.
//
// What Stripe took and gave back stands in the rows of top-ups and refunds. So credits equal payments less refunds where
// each row has what follows from it in the ledger, and nothing has gone back in the ledger that no row explains.
import { countRows, joinVerdicts, judge, type Proof } from './proof.ts';

export const payments: Proof = {
  name: 'payments',
  claim:
    'each top-up that was paid is one owed credit of its amount; no more than was bought or paid goes back; each refund is taken once, set free or given again, as Stripe said',
  unit: 'top-ups and refunds',
  run: async (sql) => {
    const checked = (await countRows(sql, 'top_ups')) + (await countRows(sql, 'refunds'));
    const bought = await judge(
      sql,
      checked,
      sql`
        with gone as (
          select environment_id, top_up_id as id,
            sum(amount) filter (where outcome = 'taken') as taken,
            sum(money) filter (where outcome is null or outcome = 'taken') as money,
            bool_or(origin <> 'request') as has_others
          from refunds group by environment_id, top_up_id
        ),
        judged as (
          select top_ups.environment_id, top_ups.id, case
            when top_ups.grant_no is not null and (credit.amount is null or not credit.is_owed
              or (credit.asset, credit.amount, credit.purpose) <> (top_ups.asset, top_ups.amount, 'paid'))
              then 'is not the credit that it became'
            when taken > top_ups.amount then format('has %s taken of %s', taken, top_ups.amount)
            -- What others did at Stripe, nobody here could refuse.
            when gone.money > coalesce(paid, price) and not has_others then format('gives back %s of %s', gone.money, coalesce(paid, price))
            when top_ups.grant_no is not null and (status = 'refunded') <> (coalesce(taken, 0) >= top_ups.amount)
              then format('is %s, and has %s taken', status, coalesce(taken, 0))
          end as what
          from top_ups
          join customers on (customers.environment_id, customers.id) = (top_ups.environment_id, top_ups.customer_id)
          left join credits credit on (credit.environment_id, credit.wallet_id, credit.grant_no)
            = (top_ups.environment_id, customers.wallet_id, top_ups.grant_no)
          left join gone on (gone.environment_id, gone.id) = (top_ups.environment_id, top_ups.id)
        )
        select format('env_%s top-up %s', environment_id, id) as who, what from judged where what is not null`,
    );
    const gone = await judge(
      sql,
      0,
      sql`
        with entry as (
          select entries.environment_id, operation_id, count(distinct (entries.wallet_id, entries.version)) as count,
            min(entries.version) as version, min(entries.wallet_id) as wallet_id, min(asset) as asset, sum(amount) as amount
          from entries
          left join transfers on credit = 'refunded'
            and (transfers.environment_id, transfers.wallet_id, transfers.version, transfers.occurred_at)
              = (entries.environment_id, entries.wallet_id, entries.version, entries.occurred_at)
          where kind = 'refund'
          group by entries.environment_id, operation_id
        ),
        judged as (
          select coalesce(refund.environment_id, entry.environment_id) as environment_id,
            coalesce(refund.id, entry.operation_id) as id,
            case
              when refund.id is null then format('wallet %s version %s was never asked for', entry.wallet_id, entry.version)
              when entry.count > 1 then format('is taken %s times', entry.count)
              when entry.count = 1 and (outcome is null or outcome = 'returned')
                then format('is %s, and is taken at version %s', coalesce(outcome::text, 'open'), entry.version)
              when entry.count = 1 and (entry.wallet_id, entry.asset, entry.amount)
                is distinct from (customers.wallet_id, refund.asset, refund.amount)
                then format('is another at version %s', entry.version)
              when entry.count is null and ended_at is not null and outcome <> 'returned' and refund.amount > 0
                then 'has ended, and is not taken'
              when ended_at is not null and exists (
                select from holds where (holds.environment_id, holds.wallet_id, holds.ref)
                  = (refund.environment_id, customers.wallet_id, refund.id) and holds.status = 'open'
              ) then 'has ended, and is still set aside'
              when outcome = 'restored' and not exists (
                select from credits where (credits.environment_id, credits.wallet_id, credits.grant_no)
                  = (refund.environment_id, customers.wallet_id, restored_grant_no)
                  and (credits.asset, credits.amount) = (refund.asset, refund.amount) and credits.is_owed
              ) then 'is not given again'
            end as what
          from refunds refund
          join customers on (customers.environment_id, customers.id) = (refund.environment_id, refund.customer_id)
          full join entry on (entry.environment_id, entry.operation_id) = (refund.environment_id, refund.id || '.take')
        )
        select format('env_%s refund %s', environment_id, id) as who, what from judged where what is not null
        union all
        select format('env_%s wallet %s hold %s', environment_id, wallet_id, ref), 'is set aside for no refund'
        from holds
        where status = 'open' and ref like 'ref\\_%'
          and not exists (select from refunds where (refunds.environment_id, refunds.id) = (holds.environment_id, holds.ref))`,
    );
    return joinVerdicts(bought, gone);
  },
};
