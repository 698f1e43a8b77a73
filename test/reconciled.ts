// The worker's own passes of reconcile (src/worker/reconcile.ts): put off, or asked for.
//
// A pass that ends overwrites when the last one did: so that is changed between two of them only.
import { expect } from 'vitest';
import type { Sql } from '../src/db/connect.ts';

const patience = { timeout: 30_000 };

/** None begins until one is asked for, within an hour. */
export async function putOffPasses(sql: Sql): Promise<void> {
  await setEnd(sql, 1);
}

/** The next one begins now; returns its number. */
export async function askForPass(sql: Sql): Promise<bigint> {
  return setEnd(sql, null);
}

/** Every wallet has been compared with the ledger since; those that are ahead of it, only once it has their entries. */
export async function reconciled(sql: Sql): Promise<void> {
  const pass = await askForPass(sql);
  const hasEnded = async () => (await sql`select from reconciliation where pass > ${pass}`).length > 0;
  await expect.poll(hasEnded, patience).toBe(true);
}

async function setEnd(sql: Sql, inHours: number | null): Promise<bigint> {
  let pass = 0n;
  const isSet = async () => {
    const [between] = await sql<{ pass: bigint }[]>`
      update reconciliation set ended_at = now() + ${inHours}::integer * interval '1 hour'
      where position = '' and claimed_until <= now() returning pass`;
    pass = between?.pass ?? 0n;
    return between !== undefined;
  };
  await expect.poll(isSet, patience).toBe(true);
  return pass;
}
