// All items of a list, page after page, fetched as they are needed.
import type { Page } from '../contract.ts';

/**
 * ```ts
 * for await (const entry of each((cursor) => farebox.entries('user_42', { kind: 'settle', cursor }))) …
 * ```
 */
export async function* each<Item>(
  list: (cursor: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    yield* page.data;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
