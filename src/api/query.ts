// The query of a URL: each parameter at most once, none that the route doesn't know.
import { z } from '@hono/zod-openapi';
import { refuseFields, type Refused } from './answer.ts';
import { validate } from './validate.ts';

const nothing = z.strictObject({});

export function readQuery<T>(
  url: string,
  schema: z.ZodType<T> | undefined,
): { status: 'valid'; value: T | undefined } | Refused {
  const at = url.indexOf('?');
  if (at === -1 && !schema) return { status: 'valid', value: undefined };
  const given: Record<string, string> = {};
  for (const [name, value] of at === -1 ? [] : new URLSearchParams(url.slice(at + 1))) {
    if (Object.hasOwn(given, name)) return refuseFields([{ path: name, message: 'is given twice' }]);
    // Not an assignment: that would lose a parameter called __proto__.
    Object.defineProperty(given, name, { value, enumerable: true });
  }
  return validate((schema ?? nothing) as z.ZodType<T>, given);
}
