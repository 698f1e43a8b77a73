// Proof: what budgets and prices have counted is what the last entry says, and each entry counts what it spends and holds.
//
// Which budgets an entry matches is not in the ledger, so this is of those that it counts in. A bucket that counts no longer is
// forgotten, and whatever a hold counts there with it: so a settle or an end may count less than it moves, and never more.
import type { Transaction } from '../../src/db/connect.ts';
import { countFlaw, type CountedRow, type Scales } from './count-flaw.ts';
import { joinVerdicts, judge, type Offender, offendersMax, type Proof, type Verdict, walletName } from './proof.ts';
import { openStream } from './stream.ts';

export const counted: Proof = {
  name: 'counted',
  claim: 'each counter of a budget or a price is what the last entry says, and counts what entries spend and hold',
  unit: 'changes',
  run: async (sql, onChecked) => joinVerdicts(await provesChanges(sql, onChecked), await provesStored(sql)),
};

/** Each state of a counter follows from the one before it and from its entry's money. */
async function provesChanges(sql: Transaction, onChecked: (checked: number) => void): Promise<Verdict> {
  const scales = await readScales(sql);
  const rows = await openStream<CountedRow>(
    sql,
    'audit_counted',
    sql`
      select entries.environment_id as "environmentId", entries.wallet_id as "walletId", entries.version, kind, reply, counter.name, packed,
        budgets.asset,
        coalesce(amounts[array_position(assets, budgets.asset)], 0)::bigint as amount,
        (select coalesce(sum(case when credit = 'held' then amount when debit = 'held' then -amount else 0 end), 0)::bigint
          from transfers
          where (transfers.environment_id, transfers.wallet_id, transfers.version, transfers.occurred_at)
            = (entries.environment_id, entries.wallet_id, entries.version, entries.occurred_at)
            and transfers.asset = budgets.asset) as "heldChange"
      from entries
      cross join unnest(counter_names, counter_states) as counter (name, packed)
      left join wallets on (wallets.environment_id, wallets.wallet_id) = (entries.environment_id, entries.wallet_id)
      left join budgets on (budgets.environment_id, budgets.customer_id) = (entries.environment_id, wallets.customer_id)
        and counter.name = 'b' || budgets.no
      order by entries.environment_id, entries.wallet_id, counter.name, entries.version`,
  );
  const offenders: Offender[] = [];
  let [checked, failed] = [0, 0];
  let before: CountedRow | undefined;
  for (let row = rows.head(); row; row = rows.head()) {
    const isNext = before?.name === row.name && before.walletId === row.walletId;
    const what = countFlaw(row, isNext ? before?.packed : undefined, scales);
    if (what !== undefined) {
      failed += 1;
      const who = `env_${row.environmentId} wallet ${row.walletId} counter ${row.name}`;
      if (offenders.length < offendersMax) offenders.push({ who, what: `version ${row.version}: ${what}` });
    }
    before = row;
    onChecked((checked += 1));
    const more = rows.next();
    if (more) await more;
  }
  return { checked, failed, offenders };
}

async function readScales(sql: Transaction): Promise<Scales> {
  const assets = await sql<{ environmentId: string; code: string; scale: number }[]>`
    select environment_id as "environmentId", code, scale from assets`;
  return new Map(assets.map(({ environmentId, code, scale }) => [`${environmentId} ${code}`, scale]));
}

async function provesStored(sql: Transaction): Promise<Verdict> {
  return judge(
    sql,
    0,
    sql`
      with last as (
        select distinct on (environment_id, wallet_id, name) environment_id, wallet_id, name, version, packed
        from entries, unnest(counter_names, counter_states) as counter (name, packed)
        order by environment_id, wallet_id, name, version desc
      )
      select ${walletName(sql)} || ' counter ' || name as who,
        case
          when stored.packed is null then format('is not there, and is in the entry of version %s', version)
          when last.packed is null then 'is in no entry'
          else format('is not what the entry of version %s says', version)
        end as what
      from counters stored full join last using (environment_id, wallet_id, name)
      where stored.packed is distinct from last.packed`,
  );
}
