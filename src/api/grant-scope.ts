// What a grant may pay for: its shape in requests and replies.
import { z } from '@hono/zod-openapi';
import type { GrantScope } from '../contract.ts';
import { dimensionsMax, scopeValuesMax } from '../limits.ts';
import type { NumberedScope } from '../records.ts';
import { dimensionValue, eventType, field } from './price-schema.ts';

const productId = z.string().min(1).max(128);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(scopeValuesMax);

export const grantScope = z
  .strictObject({
    event_types: listOf(eventType).optional().openapi({ description: 'One of these.' }),
    products: listOf(productId)
      .optional()
      .openapi({ description: "Ids: the line's price is one of theirs, in whatever version." }),
    dimensions: z
      .record(field, z.union([dimensionValue, listOf(dimensionValue)]))
      .refine((dimensions) => Object.keys(dimensions).length <= dimensionsMax, `must be at most ${dimensionsMax}`)
      .optional()
      .openapi({
        description: 'Fields of `data`: each is what is named, or one of those; `"*"` is any value.',
        example: { model: ['gpt-5', 'gpt-5-mini'] },
      }),
  })
  .refine(
    ({ event_types, products, dimensions = {} }) =>
      event_types !== undefined || products !== undefined || Object.keys(dimensions).length > 0,
    'must name event_types, products or dimensions',
  )
  .openapi('GrantScope', {
    description: 'All that is named must be so of an event, and of the line that it is priced by.',
  });

/** As it was asked for. */
export function showScope(scope: NumberedScope | undefined): GrantScope | null {
  if (!scope) return null;
  const { no: _, ...shown } = scope;
  return shown;
}
