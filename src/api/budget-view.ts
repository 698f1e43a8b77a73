// A budget as replies show it: its terms from Postgres, and what it has counted, live, from the wallet in Redis.
import { z } from '@hono/zod-openapi';
import type { Budget } from '../contract.ts';
import type { Asset, BudgetCounter, BudgetRecord } from '../records.ts';
import { countedAt, resetsAtMs } from '../wallet/budgets.ts';
import { format } from './amount.ts';
import { alertAt, enforcement, match, period } from './budget-schema.ts';
import { amountOut, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

export const budgetReply = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    name: z.string(),
    asset: z.string(),
    limit: amountOut,
    period,
    match,
    enforcement,
    alert_at: alertAt,
    spent: amountOut.openapi({ description: 'In the present period. What was settled beyond holds counts, too.' }),
    held: amountOut.openapi({ description: 'By holds that were opened, or extended, in the present period.' }),
    remaining: amountOut.openapi({ description: 'What a request could take now, as far as this budget goes.' }),
    resets_at: timeOut
      .nullable()
      .openapi({ description: 'When what it counts now counts no longer; null: never, or bit by bit.' }),
    created_at: timeOut,
    changed_at: timeOut,
  })
  .openapi('Budget');

/** `counter`: what the wallet has counted for it at `nowMs`, by Redis's clock; undefined: nothing yet. */
export function showBudget(
  budget: BudgetRecord,
  asset: Pick<Asset, 'code' | 'scale'>,
  counter: BudgetCounter | undefined,
  nowMs: number,
): Budget {
  const { spent, held } = counter ? countedAt(budget, counter, nowMs) : { spent: 0n, held: 0n };
  const remaining = budget.limit - spent - held;
  return {
    id: budget.id,
    customer_id: budget.customerId,
    name: budget.name,
    asset: asset.code,
    limit: format(budget.limit, asset),
    period: budget.period,
    match: budget.match,
    enforcement: budget.enforcement,
    alert_at: budget.alertAt,
    spent: format(spent, asset),
    held: format(held, asset),
    remaining: format(remaining > 0n ? remaining : 0n, asset),
    resets_at: formatTimeOrNull(resetsAtMs(budget, nowMs)),
    created_at: formatTime(budget.createdAtMs),
    changed_at: formatTime(budget.changedAtMs),
  };
}
