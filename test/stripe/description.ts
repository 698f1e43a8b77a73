// Stripe's own OpenAPI description, as far as the stand-in goes: what an exchange is held against.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import type { Exchange } from '../../scripts/stripe/serve-api.ts';

type Description = {
  operations: Record<string, { params: object; reply: object }>;
  definitions: Record<string, object>;
};

const { operations, definitions } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'description.json'), 'utf8'),
) as Description;

const targets = Object.keys(operations);
// All in one, so that each definition is compiled once.
const whole = {
  $id: 'stripe',
  definitions: {
    ...definitions,
    ...Object.fromEntries(targets.map((target, at) => [`params-${at}`, operations[target]!.params])),
    ...Object.fromEntries(targets.map((target, at) => [`reply-${at}`, operations[target]!.reply])),
  },
};
const options = { strict: false, validateFormats: false, unicodeRegExp: false, inlineRefs: false };
// In a form everything is text; a reply's types are held to.
const forms = new Ajv({ ...options, coerceTypes: true }).addSchema(whole);
const replies = new Ajv(options).addSchema(whole);

function check(ajv: Ajv, definition: string, value: unknown): string[] {
  const validate = ajv.getSchema(`stripe#/definitions/${definition}`);
  if (!validate) throw new Error(`there is no definition ${definition}`);
  // What is coerced is changed.
  if (validate(structuredClone(value))) return [];
  return (validate.errors ?? []).slice(0, 5).map((error) => `${error.instancePath} ${error.message}`);
}

/** What Stripe has taken since; the compiler knows it. */
const newer = new Set(['allowed_payment_method_types']);

const described = (params: Exchange['params']): Exchange['params'] =>
  Object.fromEntries(Object.entries(params).filter(([name]) => !newer.has(name)));

/** What is wrong with it; of a request that was refused, only the reply is looked at. */
export function violations({ target, params, status, body }: Exchange): string[] {
  const at = targets.indexOf(target);
  if (at < 0) return [`${target} is not described`];
  const found = [
    ...(status === 200 ? check(forms, `params-${at}`, described(params)).map((what) => `params${what}`) : []),
    ...check(replies, status === 200 ? `reply-${at}` : 'error', body).map((what) => `reply${what}`),
  ];
  return found.map((what) => `${target}: ${what}`);
}
