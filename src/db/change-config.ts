// A change of what travels with a wallet: a customer's subscriptions and budgets, and the reply to the request.
//
// Customer and operation first, with the customer's row locked, then the work; all in one transaction. What the wallet in
// Redis is to be told comes back with the reply, for a repeat too, as long as Redis is not known to have it.
import type { WalletConfig } from '../records.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { findReplyIn, keepReply } from './replies.ts';
import { lockWalletConfig, raiseWalletConfig, readWalletConfig } from './wallet-config.ts';

type Transaction = Parameters<Parameters<Orm['transaction']>[0]>[0];

type OfCustomer = { environmentId: string; customerId: string };

/** What the work came to, or why there was none. */
type Outcome<Made, Refusal> = { status: 'changed' | 'unchanged'; made: Made } | { status: Refusal };

type Changed = {
  status: 'changed';
  /** What Redis is not known to have. */
  unpushed: WalletConfig | undefined;
};
export type Change<Made, Refusal> = (Changed & { made: Made }) | { status: 'no_customer' | Refusal };

/** An operation: a repeat finds what the first one was answered. */
export type Asked<Made> = {
  customerId: string;
  operationId: string;
  fingerprint: string;
  /** Makes the reply, which is remembered for an hour. */
  replyOf: (made: Made) => string;
};
type ChangedOnce = Changed & { reply: string; isRepeat: boolean };
export type ChangeOnce<Refusal> = ChangedOnce | { status: 'no_customer' | 'conflict' | Refusal };

export async function changeConfig<Made, Refusal extends string>(
  sql: Sql,
  customer: OfCustomer,
  work: (transaction: Transaction) => Promise<Outcome<Made, Refusal>>,
): Promise<Change<Made, Refusal>> {
  return orm(sql).transaction(async (transaction) => {
    if (!(await lockWalletConfig(transaction, customer))) return { status: 'no_customer' };
    const done = await work(transaction);
    if (!('made' in done)) return done;
    if (done.status === 'changed') await raiseWalletConfig(transaction, customer);
    const { config, isPushed } = await readWalletConfig(transaction, customer);
    return { status: 'changed', made: done.made, unpushed: isPushed ? undefined : config };
  });
}

export async function changeConfigOnce<Made, Refusal extends string>(
  sql: Sql,
  environmentId: string,
  { customerId, operationId, fingerprint, replyOf }: Asked<Made>,
  work: (transaction: Transaction) => Promise<Outcome<Made, Refusal>>,
): Promise<ChangeOnce<Refusal>> {
  type Answered = { reply: string; isRepeat: boolean };
  const changed = await changeConfig<Answered, Refusal | 'conflict'>(
    sql,
    { environmentId, customerId },
    async (transaction) => {
      const known = await findReplyIn(transaction, environmentId, operationId, fingerprint);
      if (known.status === 'conflict') return known;
      if (known.status === 'found') return { status: 'unchanged', made: { reply: known.reply, isRepeat: true } };
      const done = await work(transaction);
      if (!('made' in done)) return done;
      const reply = replyOf(done.made);
      await keepReply(transaction, environmentId, operationId, fingerprint, reply);
      return { status: done.status, made: { reply, isRepeat: false } };
    },
  );
  return 'made' in changed ? { status: 'changed', unpushed: changed.unpushed, ...changed.made } : changed;
}
