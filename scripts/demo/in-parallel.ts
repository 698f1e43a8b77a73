// A task for each item, at most so many at the same time; the first that fails ends it.

export async function inParallel<Item>(
  atOnceMax: number,
  items: readonly Item[],
  task: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of rest) await task(item);
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}
