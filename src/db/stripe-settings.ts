// How an environment reaches Stripe: its keys, and the secrets that its events are signed with.
import { eq } from 'drizzle-orm';
import type { EnvironmentMode, StripeSettings } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { environments, stripeSettings } from './schema.ts';

/** Undefined: payments are not configured there, or there is no such environment. `ofDefault`: those that came with the process. */
export async function readStripeSettings(
  sql: Sql,
  environmentId: string,
  ofDefault: StripeSettings | undefined,
): Promise<StripeSettings | undefined> {
  const [row] = await orm(sql)
    .select({ mode: environments.mode, isDefault: environments.isDefault, kept: stripeSettings })
    .from(environments)
    .leftJoin(stripeSettings, eq(stripeSettings.environmentId, environments.id))
    .where(eq(environments.id, environmentId));
  if (row?.isDefault && ofDefault) return ofDefault;
  if (!row?.kept) return undefined;
  const { secretKey, webhookSecrets, apiBase, addsTax } = row.kept;
  return { secretKey, webhookSecrets, apiBase: apiBase ?? undefined, addsTax, mode: row.mode };
}

/** False when there is no such environment, or its mode is another one. */
export async function keepStripeSettings(
  sql: Sql,
  environmentId: string,
  settings: StripeSettings,
): Promise<{ status: 'kept' | 'no_environment' } | { status: 'other_mode'; mode: EnvironmentMode }> {
  const [environment] = await orm(sql)
    .select({ mode: environments.mode })
    .from(environments)
    .where(eq(environments.id, environmentId));
  if (!environment) return { status: 'no_environment' };
  if (environment.mode !== settings.mode) return { status: 'other_mode', mode: environment.mode };
  const { secretKey, webhookSecrets, apiBase = null, addsTax } = settings;
  const kept = { secretKey, webhookSecrets, apiBase, addsTax, changedAt: Date.now() };
  await orm(sql)
    .insert(stripeSettings)
    .values({ environmentId, ...kept })
    .onConflictDoUpdate({ target: stripeSettings.environmentId, set: kept });
  return { status: 'kept' };
}
