// Where what Redis has and what the model says differ, path by path.

/** One line for each place; none when they are the same. */
export function differences(path: string, model: unknown, redis: unknown): string[] {
  if (model === redis) return [];
  if (!isRecord(model) || !isRecord(redis)) return [`${path}: the model says ${show(model)}, Redis ${show(redis)}`];
  const found: string[] = [];
  for (const name in model) found.push(...differences(`${path}.${name}`, model[name], redis[name]));
  for (const name in redis) {
    if (!(name in model)) found.push(...differences(`${path}.${name}`, undefined, redis[name]));
  }
  return found;
}

export function show(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? 'nothing';
}

// Lists count as well: their names are their positions.
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
