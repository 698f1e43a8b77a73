// The parameters in a route's path. What can't be the id of anything is simply not found.
import type { Context } from 'hono';
import type { ErrorCode } from '../errors.ts';
import { refuse, type Refused } from './answer.ts';
import type { Call } from './route.ts';
import { assetCodePattern, customerIdPattern } from './schemas.ts';
import type { KeyedRow } from './table.ts';

export type ParamName =
  | 'customer_id'
  | 'grant_id'
  | 'hold_id'
  | 'product_id'
  | 'version'
  | 'subscription_id'
  | 'payment_method_id'
  | 'budget_id'
  | 'top_up_id'
  | 'environment'
  | 'key_id'
  | 'code';
export type Params = Record<ParamName, string>;

export const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

export const paramRules: Record<ParamName, { pattern: RegExp; missing: ErrorCode; description: string }> = {
  customer_id: { pattern: customerIdPattern, missing: 'customer_not_found', description: "The customer's id." },
  grant_id: { pattern: idPattern, missing: 'grant_not_found', description: "The grant's id, `grt_…`." },
  hold_id: { pattern: idPattern, missing: 'hold_not_found', description: "The hold's id, `hold_…`." },
  product_id: { pattern: idPattern, missing: 'product_not_found', description: "The product's id." },
  version: { pattern: /^[1-9][0-9]{0,8}$/, missing: 'version_not_found', description: 'Which version, from 1.' },
  subscription_id: {
    pattern: idPattern,
    missing: 'subscription_not_found',
    description: "The subscription's id, `sub_…`.",
  },
  payment_method_id: {
    pattern: idPattern,
    missing: 'payment_method_not_found',
    description: "The payment method's id, `pm_…`.",
  },
  budget_id: { pattern: idPattern, missing: 'budget_not_found', description: "The budget's id, `bud_…`." },
  top_up_id: { pattern: idPattern, missing: 'top_up_not_found', description: "The top-up's id, `top_…`." },
  environment: {
    pattern: /^(env_)?[a-z0-9]{12}$/,
    missing: 'payments_not_configured',
    description: "The environment's id, `env_…`.",
  },
  key_id: { pattern: idPattern, missing: 'key_not_found', description: "The key's id; not its secret." },
  code: { pattern: assetCodePattern, missing: 'unknown_asset', description: "The asset's code." },
};

/** Of a request whose path has none, or has not been read. */
export const noParams = Object.fromEntries(Object.keys(paramRules).map((name) => [name, ''])) as Params;

const nameInPath = /\{([a-z_]+)\}/g;

export function paramNamesOf(path: string): ParamName[] {
  return [...path.matchAll(nameInPath)].map(([, name]) => {
    if (name === undefined || !(name in paramRules)) throw new Error(`${path}: no rule for {${name}}`);
    return name as ParamName;
  });
}

/** Fills in the call's parameters and concrete path. */
export function readParams({ path, params: names }: KeyedRow, c: Context, call: Call): Refused | undefined {
  call.path = path;
  if (names.length === 0) return undefined;
  const params: Partial<Params> = {};
  for (const name of names) {
    const value = c.req.param(name) ?? '';
    const { pattern, missing } = paramRules[name];
    if (!pattern.test(value)) return refuse(missing, `${JSON.stringify(value)} is not the id of anything`);
    params[name] = value;
    call.path = call.path.replace(`{${name}}`, value);
  }
  call.params = params as Params;
  return undefined;
}
