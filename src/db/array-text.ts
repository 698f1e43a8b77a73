// Columns in Postgres's text form of arrays, made by joining: a drain sends some hundred columns of thousands of values,
// and the driver's own serializer, which looks at each value's type, would take as long as Postgres does.

/** Numbers, bigints, booleans, labels and ids as they are; texts that went through `quoted`; and `nothing`. */
export type Column = (string | number | bigint | boolean)[];

export const nothing = 'NULL';

/** Empty columns by name. */
export function columns<Name extends string>(...names: Name[]): Record<Name, Column> {
  return Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Column>;
}

/** Each column as the text of an array. */
export function arrayTexts<Name extends string>(filled: Record<Name, Column>): Record<Name, string> {
  return Object.fromEntries(
    Object.entries<Column>(filled).map(([name, column]) => [name, arrayText(column)]),
  ) as Record<Name, string>;
}

export function arrayText(column: Column): string {
  return `{${column.join(',')}}`;
}

const special = /["\\]/g;

/** Any text, as an element. */
export function quoted(text: string): string {
  return `"${text.replace(special, '\\$&')}"`;
}
