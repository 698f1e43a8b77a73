// Budgets as they were made: limits on what may be spent in a period. What they have counted stands in the wallet.
import { randomBytes } from 'node:crypto';
import { and, count, desc, eq, isNull, lt, max, sql as raw } from 'drizzle-orm';
import { budgetsMax } from '../limits.ts';
import type { BudgetChange, BudgetRecord, PageRequest } from '../records.ts';
import { toAtoms } from '../units.ts';
import { changeConfig, changeConfigOnce, type Asked, type Change, type ChangeOnce } from './change-config.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { budgets } from './schema.ts';
import { readWalletConfig } from './wallet-config.ts';

type Terms = Omit<BudgetRecord, 'no' | 'id' | 'customerId' | 'createdAtMs' | 'changedAtMs'>;
type Named = { customerId: string; budgetId: string };

/** Numbers are not given twice: a counter has its budget's number for ever. */
const numberMax = 65_535;

const cursors = cursorOf('number');

export async function createBudget(
  sql: Sql,
  environmentId: string,
  asked: Asked<BudgetRecord> & { terms: Terms },
): Promise<ChangeOnce<'too_many_budgets'>> {
  const { customerId, terms } = asked;
  return changeConfigOnce<BudgetRecord, 'too_many_budgets'>(sql, environmentId, asked, async (transaction) => {
    const ofThis = ofCustomer(environmentId, customerId);
    const [last] = await transaction
      .select({ no: max(budgets.no) })
      .from(budgets)
      .where(ofThis);
    const [standing] = await transaction
      .select({ standing: count() })
      .from(budgets)
      .where(and(ofThis, isNull(budgets.deletedAt)));
    const no = (last?.no ?? 0) + 1;
    if ((standing?.standing ?? 0) >= budgetsMax || no > numberMax) return { status: 'too_many_budgets' };
    const id = `bud_${randomBytes(16).toString('base64url')}`;
    const { name, asset, limit, period, match, enforcement, alertAt } = terms;
    const [row] = await transaction
      .insert(budgets)
      .values({
        ...{ environmentId, customerId, no, id, name, asset, limit, period, match, alertAt },
        isHard: enforcement === 'hard',
      })
      .returning();
    if (!row) throw new Error('a budget was made, and Postgres returned no row');
    return { status: 'changed', made: toRecord(row) };
  });
}

export async function findBudget(sql: Sql, environmentId: string, named: Named): Promise<BudgetRecord | undefined> {
  const row = await select(orm(sql), environmentId, named);
  return row?.deletedAt === null ? toRecord(row) : undefined;
}

export async function listBudgets(
  sql: Sql,
  environmentId: string,
  customerId: string,
  page: PageRequest,
): Promise<Listed<BudgetRecord>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await orm(sql)
    .select()
    .from(budgets)
    .where(and(ofCustomer(environmentId, customerId), isNull(budgets.deletedAt), after && lt(budgets.no, after[0])))
    .orderBy(desc(budgets.no))
    .limit(page.limit + 1);
  return pageOf(rows, { limit: page.limit, item: toRecord, cursor: (row) => cursors.write([row.no]) });
}

export async function updateBudget(
  sql: Sql,
  environmentId: string,
  named: Named,
  { enforcement, ...change }: BudgetChange,
): Promise<Change<BudgetRecord, 'no_budget'>> {
  const set = { ...change, ...(enforcement && { isHard: enforcement === 'hard' }) };
  return changeConfig<BudgetRecord, 'no_budget'>(
    sql,
    { environmentId, customerId: named.customerId },
    async (transaction) => {
      const standing = await select(transaction, environmentId, named);
      if (standing?.deletedAt !== null) return { status: 'no_budget' };
      if (Object.keys(set).length === 0) return { status: 'unchanged', made: toRecord(standing) };
      const [row] = await transaction
        .update(budgets)
        .set({ ...set, changedAt: raw`now()` })
        .where(ofNamed(environmentId, named))
        .returning();
      if (!row) throw new Error('a budget was changed, and Postgres returned no row');
      return { status: 'changed', made: toRecord(row) };
    },
  );
}

/** A row that stays. What was deleted before is not found, once Redis is known to have that. */
export async function deleteBudget(
  sql: Sql,
  environmentId: string,
  named: Named,
): Promise<Change<undefined, 'no_budget'>> {
  const customer = { environmentId, customerId: named.customerId };
  return changeConfig<undefined, 'no_budget'>(sql, customer, async (transaction) => {
    const row = await select(transaction, environmentId, named);
    if (!row) return { status: 'no_budget' };
    if (row.deletedAt !== null) {
      const { isPushed } = await readWalletConfig(transaction, customer);
      return isPushed ? { status: 'no_budget' } : { status: 'unchanged', made: undefined };
    }
    await transaction
      .update(budgets)
      .set({ deletedAt: raw`now()` })
      .where(ofNamed(environmentId, named));
    return { status: 'changed', made: undefined };
  });
}

async function select(on: Pick<Orm, 'select'>, environmentId: string, named: Named) {
  const [row] = await on.select().from(budgets).where(ofNamed(environmentId, named));
  return row;
}

function ofCustomer(environmentId: string, customerId: string) {
  return and(eq(budgets.environmentId, environmentId), eq(budgets.customerId, customerId));
}

function ofNamed(environmentId: string, { customerId, budgetId }: Named) {
  return and(ofCustomer(environmentId, customerId), eq(budgets.id, budgetId));
}

function toRecord(row: typeof budgets.$inferSelect): BudgetRecord {
  const { no, id, customerId, name, asset, period, match, alertAt } = row;
  return {
    ...{ no, id, customerId, name, asset, period, match, alertAt },
    limit: toAtoms(row.limit),
    enforcement: row.isHard ? 'hard' : 'alert',
    createdAtMs: row.createdAt,
    changedAtMs: row.changedAt,
  };
}
