// A value against its schema: what the schema made of it, or 422 with every field that is wrong.
import type { z } from '@hono/zod-openapi';
import type { FieldError } from '../contract.ts';
import { metadataBytesMax } from '../limits.ts';
import { refuseFields, type Refused } from './answer.ts';

const options = {
  error: (issue: { input?: unknown; code?: string | undefined }) =>
    issue.input === undefined && issue.code === 'invalid_type' ? 'is required' : undefined,
};

export function validate<T>(schema: z.ZodType<T>, value: unknown): { status: 'valid'; value: T } | Refused {
  // Options nearly double the time that a check takes (5.7 against 3.1 µs), so only what is wrong is checked with them.
  const checked = schema.safeParse(value);
  if (checked.success) return { status: 'valid', value: checked.data };
  const { error = checked.error } = schema.safeParse(value, options);
  return refuseFields(error.issues.flatMap(fieldsOf));
}

const boundedFields = ['metadata', 'labels'] as const;
/** One unit of a JSON text is at most so many bytes when its value is written again: `1e20` becomes 21 digits. */
const growthMax = 6;
const encoder = new TextEncoder();

/** 422 when what the caller attaches is too large; in a short body it can't be. */
export function validateSizes(body: object, length: number): Refused | undefined {
  if (length * growthMax <= metadataBytesMax) return undefined;
  const errors = boundedFields
    .filter((field) => encoder.encode(JSON.stringify(Reflect.get(body, field) ?? {})).byteLength > metadataBytesMax)
    .map((path) => ({ path, message: `must be at most ${metadataBytesMax} bytes of JSON` }));
  return errors.length === 0 ? undefined : refuseFields(errors);
}

function fieldsOf(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not a known field' }));
  }
  // A key that its record refuses says why inside.
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [{ path: pathOf(issue.path), message }];
}

const pathOf = (path: PropertyKey[]): string => path.map(String).join('.');
