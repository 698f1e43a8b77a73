// Proof: money comes from somewhere and goes somewhere: over all accounts it is zero.
import { countRows, joinVerdicts, judge, type Proof } from './proof.ts';

export const zero: Proof = {
  name: 'zero',
  claim: 'all accounts of an environment and asset sum up to zero, and its own accounts are the sum of their transfers',
  unit: 'accounts',
  run: async (sql) => {
    const checked = (await countRows(sql, 'accounts')) + (await countRows(sql, 'environment_accounts'));
    const total = await judge(
      sql,
      checked,
      sql`
        select format('env_%s asset %s', environment_id, asset) as who,
          format('all accounts sum up to %s', sum(balance)) as what
        from (
          select environment_id, asset, available::numeric + held - overage as balance from accounts
          union all select environment_id, asset, balance from environment_accounts
        ) account
        group by environment_id, asset having sum(balance) <> 0`,
    );
    const transferred = await judge(
      sql,
      checked,
      sql`
        select format('env_%s asset %s %s partition %s', environment_id, asset, account, partition) as who,
          format('has %s, by transfers %s', coalesce(stored.balance::text, 'no row'), coalesce(summed.balance, 0)) as what
        from environment_accounts stored
        full join (
          select transfers.environment_id, asset, account, coalesce(wallets.partition, -1) as partition, sum(change) as balance
          from transfers
          left join wallets using (environment_id, wallet_id)
          cross join lateral (values (debit, -amount), (credit, amount)) as side (account, change)
          where account not in ('available', 'held', 'overage')
          group by transfers.environment_id, asset, account, wallets.partition
        ) summed using (environment_id, asset, account, partition)
        where coalesce(stored.balance, 0) <> coalesce(summed.balance, 0)`,
    );
    return joinVerdicts(total, transferred);
  },
};
