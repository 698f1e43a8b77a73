// The customer that an operator names in a command, with its wallet.
import type { Sql } from '../db/connect.ts';
import { findCustomer } from '../db/customers.ts';
import { listEnvironments } from '../db/environments.ts';
import { walletOf, type WalletRef } from '../wallet/keys.ts';

export type NamedCustomer = WalletRef & { environmentId: string; customerId: string };

/** Without `environment` it is the first one; a text says what is wrong. */
export async function whichCustomer(
  sql: Sql,
  { customerId, environment }: { customerId: string; environment: string | undefined },
): Promise<NamedCustomer | string> {
  const environments = await listEnvironments(sql);
  const id = environment?.replace(/^env_/, '');
  const found = id === undefined ? environments[0] : environments.find((one) => one.id === id);
  if (!found) return `there is no environment ${environment ?? 'yet: run farebox migrate'}`;
  const customer = await findCustomer(sql, found.id, customerId);
  if (!customer) return `there is no customer ${customerId} in env_${found.id} (${found.name})`;
  return { environmentId: found.id, customerId, ...walletOf(found.id, customerId) };
}
