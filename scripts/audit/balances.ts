// Proof: a balance is what its transfers sum up to, and what its last entry says.
//
// No money moves when a grant is scheduled, so `scheduled` sums up from what entries do to grants.
import { countRows, judge, walletName, type Proof } from './proof.ts';

export const balances: Proof = {
  name: 'balances',
  claim: 'each balance is the sum of its transfers, and what the last entry says',
  unit: 'accounts',
  run: async (sql) =>
    judge(
      sql,
      await countRows(sql, 'accounts'),
      sql`
        with moved as (
          select environment_id, wallet_id, asset,
            sum(case when credit = 'available' then amount when debit = 'available' then -amount else 0 end) as available,
            sum(case when credit = 'held' then amount when debit = 'held' then -amount else 0 end) as held,
            sum(case when debit = 'overage' then amount when credit = 'overage' then -amount else 0 end) as overage
          from transfers group by environment_id, wallet_id, asset
        ),
        planned as (
          select environment_id, wallet_id, grant_asset as asset, sum(case
            when kind = 'schedule_grant' then grant_amount
            when kind = 'activate_grant' then -grant_amount
            -- A grant voided before its start never had anything to move.
            when kind = 'void_grant' and grant_no <> all (move_grants) then -grant_amount
            else 0
          end) as scheduled
          from entries where grant_no is not null group by environment_id, wallet_id, grant_asset
        ),
        last as (
          select distinct on (environment_id, wallet_id, asset)
            environment_id, wallet_id, asset, available, held, overage, scheduled
          from entries, unnest(assets, available_after, held_after, overage_after, scheduled_after)
            as leg (asset, available, held, overage, scheduled)
          order by environment_id, wallet_id, asset, version desc
        ),
        compared as (
          select environment_id, wallet_id, asset, stored.available is null as is_absent,
            array[coalesce(stored.available, 0), coalesce(stored.held, 0), coalesce(stored.overage, 0), coalesce(stored.scheduled, 0)]::numeric[] as stored,
            array[coalesce(moved.available, 0), coalesce(moved.held, 0), coalesce(moved.overage, 0), coalesce(planned.scheduled, 0)] as summed,
            array[coalesce(last.available, 0), coalesce(last.held, 0), coalesce(last.overage, 0), coalesce(last.scheduled, 0)]::numeric[] as said
          from accounts stored
          full join moved using (environment_id, wallet_id, asset)
          full join planned using (environment_id, wallet_id, asset)
          full join last using (environment_id, wallet_id, asset)
        )
        select ${walletName(sql)} || ' asset ' || asset as who,
          format('available, held, overage, scheduled are %s, by transfers %s, by the last entry %s',
            case when is_absent then 'not there' else stored::text end, summed, said) as what
        from compared
        where is_absent or stored <> summed or stored <> said`,
    ),
};
