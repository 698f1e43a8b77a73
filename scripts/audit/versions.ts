// Proof: the versions of a wallet count from 1 to the one it is at.
import { countRows, judge, walletName, type Proof } from './proof.ts';

export const versions: Proof = {
  name: 'versions',
  claim: 'each wallet has one entry for each version, from 1 to its own, and no other',
  unit: 'wallets',
  run: async (sql) =>
    judge(
      sql,
      await countRows(sql, 'wallets'),
      sql`
        select ${walletName(sql)} as who, case
          when wallets.version is null then 'has entries, but is not there'
          when broken_at is not null then format('version %s where %s is due', broken_version, broken_at)
          else format('is at version %s, and has %s entries', wallets.version, coalesce(found.count, 0))
        end as what
        from wallets
        full join (
          select environment_id, wallet_id, count(*) as count,
            min(due) filter (where version <> due) as broken_at,
            (array_agg(version order by due) filter (where version <> due))[1] as broken_version
          from (
            select environment_id, wallet_id, version,
              row_number() over (partition by environment_id, wallet_id order by version) as due
            from entries
          ) entry
          group by environment_id, wallet_id
        ) found using (environment_id, wallet_id)
        where wallets.version is distinct from coalesce(found.count, 0) or broken_at is not null`,
    ),
};
