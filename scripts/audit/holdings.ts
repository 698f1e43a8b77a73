// Proof: what an account has is what its grants have left; what it holds is what its open holds hold, of those grants.
import { countRows, joinVerdicts, judge, walletName, type Proof } from './proof.ts';

export const holdings: Proof = {
  name: 'holdings',
  claim:
    'grants sum up to what an account has available, held and scheduled; open holds to what it and each grant holds',
  unit: 'accounts',
  run: async (sql) => {
    const checked = await countRows(sql, 'accounts');
    const ofAccounts = await judge(
      sql,
      checked,
      sql`
        with granted as (
          select environment_id, wallet_id, asset, sum(remaining) as available, sum(held) as held,
            coalesce(sum(amount) filter (where state = 'scheduled'), 0) as scheduled
          from grants group by environment_id, wallet_id, asset
        ),
        opened as (
          select environment_id, wallet_id, leg.asset, sum(leg.held) as held
          from holds, unnest(assets, held) as leg (asset, held)
          where status = 'open' group by environment_id, wallet_id, leg.asset
        ),
        compared as (
          select environment_id, wallet_id, asset,
            array[coalesce(stored.available, 0), coalesce(stored.held, 0), coalesce(stored.scheduled, 0)]::numeric[] as account,
            array[coalesce(granted.available, 0), coalesce(granted.held, 0), coalesce(granted.scheduled, 0)] as grants,
            coalesce(opened.held, 0) as holds
          from accounts stored
          full join granted using (environment_id, wallet_id, asset)
          full join opened using (environment_id, wallet_id, asset)
        )
        select ${walletName(sql)} || ' asset ' || asset as who,
          format('available, held, scheduled are %s, of its grants %s; its open holds hold %s', account, grants, holds) as what
        from compared where account <> grants or account[2] <> holds`,
    );
    const ofGrants = await judge(
      sql,
      checked,
      sql`
        select ${walletName(sql)} || ' grant ' || grant_no as who,
          format('holds %s, and open holds took %s from it', coalesce(grants.held, 0), coalesce(taken.atoms, 0)) as what
        from grants
        full join (
          select environment_id, wallet_id, grant_no, sum(atoms) as atoms
          from holds, unnest(source_grants, source_atoms) as source (grant_no, atoms)
          where status = 'open' group by environment_id, wallet_id, grant_no
        ) taken using (environment_id, wallet_id, grant_no)
        where coalesce(grants.held, 0) <> coalesce(taken.atoms, 0)`,
    );
    return joinVerdicts(ofAccounts, ofGrants);
  },
};
