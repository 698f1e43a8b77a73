// What the stand-in answers: an object, or an error in Stripe's own form.
//
// Errors: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
import { z } from 'zod';

export type Reply = {
  status: number;
  body: object;
  /** No endpoint began to work, so the idempotency key is not used up. */
  isUnsaved?: boolean;
  /** It happened, and the caller does not hear of it. */
  isLost?: boolean;
};

export type Params = { [name: string]: ParamValue };
export type ParamValue = string | Params | ParamValue[];

type ErrorFields = {
  type: 'card_error' | 'invalid_request_error' | 'idempotency_error' | 'api_error';
  message: string;
  code?: string;
  decline_code?: string;
  param?: string;
  [more: string]: unknown;
};

export const ok = (body: object): Reply => ({ status: 200, body });

export const fail = (status: number, error: ErrorFields, more: Partial<Reply> = {}): Reply => ({
  status,
  body: { error },
  ...more,
});

export const invalid = (message: string, more: Partial<ErrorFields> = {}): Reply =>
  fail(400, { type: 'invalid_request_error', message, ...more });

export const missing = (what: string, id: string, param = 'id'): Reply =>
  fail(404, { type: 'invalid_request_error', code: 'resource_missing', message: `No such ${what}: '${id}'`, param });

// ── Parameters: everything that comes in a form is text ──

export const text = z.string().min(1).max(5_000);
export const whole = z.coerce.number().int();
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
/** An empty value takes the key away. */
export const metadata = z.record(z.string().min(1).max(40), z.string().max(500));
export const expand = z.array(text).optional();
export const listParams = {
  limit: whole.min(1).max(100).default(10),
  starting_after: text.optional(),
  created: z
    .union([
      whole,
      z.strictObject({ gt: whole.optional(), gte: whole.optional(), lt: whole.optional(), lte: whole.optional() }),
    ])
    .optional(),
  expand,
};

/** The parameters, or the error that Stripe has for the first that is wrong. */
export function read<T extends z.ZodType>(
  schema: T,
  params: Params,
): { status: 'ok'; value: z.output<T> } | { status: 'wrong'; reply: Reply } {
  const parsed = schema.safeParse(params);
  if (parsed.success) return { status: 'ok', value: parsed.data };
  const issue = parsed.error.issues[0]!;
  const [first, ...rest] = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  const param = `${String(first ?? '')}${rest.map((part) => `[${String(part)}]`).join('')}`;
  const given = issue.path.reduce<unknown>((value, part) => (value as Params | undefined)?.[String(part)], params);
  const told =
    issue.code === 'unrecognized_keys'
      ? { code: 'parameter_unknown', message: `Received unknown parameter: ${param}` }
      : given === undefined
        ? { code: 'parameter_missing', message: `Missing required param: ${param}.` }
        : { code: 'parameter_invalid', message: `Invalid ${param}: ${issue.message}` };
  return { status: 'wrong', reply: { ...invalid(told.message, { code: told.code, param }), isUnsaved: true } };
}

// ── Lists: newest first, cut by the last id seen (https://docs.stripe.com/api/pagination) ──

type Listing = z.output<z.ZodObject<typeof listParams>>;

export function list(url: string, all: { id: string; created: number }[], params: Listing): Reply {
  const newest = all.filter((item) => isWithin(item.created, params.created)).toReversed();
  const after = params.starting_after === undefined ? -1 : newest.findIndex(({ id }) => id === params.starting_after);
  if (params.starting_after !== undefined && after < 0) {
    return invalid(`No such object: '${params.starting_after}'`, { code: 'resource_missing', param: 'starting_after' });
  }
  const from = after + 1;
  const data = newest.slice(from, from + params.limit);
  return ok({ object: 'list', data, has_more: from + data.length < newest.length, url });
}

function isWithin(created: number, bounds: Listing['created']): boolean {
  if (bounds === undefined) return true;
  if (typeof bounds === 'number') return created === bounds;
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = bounds;
  return created > gt && created >= gte && created < lt && created <= lte;
}
