// Lists: `?limit=` and `?cursor=` in, `{ data, next_cursor }` out, newest first.
import { z } from '@hono/zod-openapi';
import { page } from '../limits.ts';
import type { PageRequest } from '../records.ts';
import { refuseFields, type Answer } from './answer.ts';
import type { Listed } from './deps.ts';

const limit = z
  .string()
  .regex(/^[0-9]{1,3}$/, 'must be a whole number')
  .transform(Number)
  .refine((value) => value >= page.least && value <= page.most, `must be from ${page.least} to ${page.most}`)
  .default(page.default)
  .openapi({ type: 'integer', minimum: page.least, maximum: page.most, default: page.default });

const cursor = z
  .string()
  .regex(/^[\x21-\x7e]{1,512}$/, 'is not a cursor of this list')
  .optional()
  .openapi({ description: 'The `next_cursor` of the page before.' });

export const pageFields = { limit, cursor };
export const pageQuery = z.strictObject(pageFields);

export const pageOf = (query: { limit: number; cursor?: string | undefined }): PageRequest => ({
  limit: query.limit,
  cursor: query.cursor,
});

export const badCursor = refuseFields([{ path: 'cursor', message: 'is not a cursor of this list' }]);

export function listAnswer<T>(listed: Listed<T>, show: (item: T) => object): Answer {
  if (listed === 'bad_cursor') return badCursor;
  return { status: 200, body: { data: listed.items.map(show), next_cursor: listed.nextCursor ?? null } };
}

/** The schema of a page, for the OpenAPI document. */
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    next_cursor: z.string().nullable().openapi({ description: 'Null: the last page.' }),
  });
