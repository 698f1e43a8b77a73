// Proof: what was asked to be credited was credited as often as its state says, once or not at all, and on its terms.
//
// An entry and the state of its intent are written in one transaction, so one that is pending has no entry either.
import { countRows, judge, type Proof } from './proof.ts';

export const credits: Proof = {
  name: 'credits',
  claim: 'each applied credit has one entry, on its terms; a pending or refused one has none; no grant came unasked',
  unit: 'credits',
  run: async (sql) =>
    judge(
      sql,
      await countRows(sql, 'credits'),
      sql`
        with entry as (
          select environment_id, operation_id, count(*) as count, min(version) as version,
            min(wallet_id) as wallet_id, min(grant_no) as grant_no,
            bool_and(kind in ('grant', 'schedule_grant')) as is_grant
          from entries
          where kind in ('grant', 'schedule_grant')
            or (environment_id, operation_id) in (select environment_id, operation_id from credits)
          group by environment_id, operation_id
        ),
        judged as (
          select coalesce(asked.environment_id, entry.environment_id) as environment_id,
            coalesce(asked.wallet_id, entry.wallet_id) as wallet_id,
            coalesce(asked.grant_no, entry.grant_no) as grant_no,
            case
              when asked.state is null then format('its entry at version %s was never asked for', entry.version)
              when asked.state = 'applied' and coalesce(entry.count, 0) <> 1
                then format('is applied, and has %s entries', coalesce(entry.count, 0))
              when asked.state <> 'applied' and entry.count > 0
                then format('is %s, and has an entry at version %s', asked.state, entry.version)
              when asked.state = 'applied' and not entry.is_grant
                then format('is applied by an entry at version %s that grants nothing', entry.version)
              when asked.state = 'applied' and (granted.version is null or
                (granted.grant_asset, granted.grant_amount, granted.grant_purpose, granted.grant_priority, granted.fingerprint)
                <> (asked.asset, asked.amount, asked.purpose, asked.priority, asked.fingerprint)
                or granted.grant_effective_at <> coalesce(asked.effective_at, granted.grant_effective_at)
                or granted.grant_expires_at is distinct from asked.expires_at)
                then format('was applied at version %s on other terms', entry.version)
            end as what
          from credits asked
          full join entry on (entry.environment_id, entry.operation_id) = (asked.environment_id, asked.operation_id)
          left join entries granted on asked.state = 'applied' and entry.count = 1
            and (granted.environment_id, granted.wallet_id, granted.version, granted.operation_id, granted.grant_no)
              = (asked.environment_id, asked.wallet_id, entry.version, asked.operation_id, asked.grant_no)
        )
        select format('env_%s wallet %s grant %s', environment_id, wallet_id, grant_no) as who, what
        from judged where what is not null`,
    ),
};
