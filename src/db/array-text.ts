// Postgres's text form of arrays, made by joining: a drain sends some fifty columns of thousands of values, and the
// driver's own serializer, which looks at each value's type, would take as long as Postgres does.

/** Numbers, bigints, booleans, enum labels and ids without special characters; null as it is. */
export function plainArray(values: readonly (string | number | bigint | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Any text. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quote(value))).join(',')}}`;
}

const special = /["\\]/g;

function quote(text: string): string {
  return `"${text.replace(special, '\\$&')}"`;
}
