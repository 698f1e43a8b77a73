// The part of rebuilding that would not fit in memory: holds that ended, of which a wallet may have any number.
import type { Transaction } from '../../src/db/connect.ts';
import { judge, type Verdict, walletName } from './proof.ts';

/** Each stored hold that ended, or that its last entry ended, is as that entry says; it ended when the first end was. */
export function compareEndedHolds(sql: Transaction): Promise<Verdict> {
  return judge(
    sql,
    0,
    sql`
      with last as (
        select distinct on (environment_id, wallet_id, hold_ref) environment_id, wallet_id, hold_ref as ref, partition,
          hold_status as status, late, hold_created_at as created_at, hold_expires_at as expires_at,
          hold_assets as assets, hold_amounts as amounts, hold_held as held, hold_settled as settled,
          hold_released as released, hold_rate_nums as rate_nums, hold_rate_dens as rate_dens,
          hold_source_grants as source_grants, hold_source_atoms as source_atoms
        from entries where hold_ref is not null
        order by environment_id, wallet_id, hold_ref, version desc
      ),
      ended as (
        select environment_id, wallet_id, hold_ref as ref, min(occurred_at) filter (where not late) as ended_at
        from entries where hold_ref is not null and hold_status <> 'open'
        group by environment_id, wallet_id, hold_ref
      )
      select ${walletName(sql)} || ' hold ' || ref as who, case
        when stored.status is null then 'is not there'
        when last.status is null then 'is in no entry'
        when stored.status <> last.status then format('is %s, by its entries %s', stored.status, last.status)
        else 'is not as its last entry says'
      end as what
      from holds stored
      full join last using (environment_id, wallet_id, ref)
      left join ended using (environment_id, wallet_id, ref)
      where (stored.status is distinct from 'open' or last.status is distinct from 'open')
        and (stored.partition, stored.status, stored.late, stored.created_at, stored.expires_at, stored.ended_at,
            stored.assets, stored.amounts, stored.held, stored.settled, stored.released, stored.rate_nums,
            stored.rate_dens, stored.source_grants, stored.source_atoms)
          is distinct from (last.partition, last.status, last.late, last.created_at, last.expires_at, ended.ended_at,
            last.assets, last.amounts, last.held, last.settled, last.released, last.rate_nums,
            last.rate_dens, last.source_grants, last.source_atoms)`,
  );
}
