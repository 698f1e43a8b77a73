// JSON schemas as the documentation page needs them: references followed, types in words, an example of a value.
import type { OpenApiDocument } from './openapi.ts';

export type Schema = {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  default?: unknown;
  example?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  description?: string;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
};

const prefix = '#/components/schemas/';

/** With references followed and what stands in `allOf` merged into one. */
export function resolve(schema: Schema, document: OpenApiDocument): Schema {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(prefix.length);
    return resolve(document.components?.schemas?.[name] ?? {}, document);
  }
  if (!schema.allOf) return schema;
  return schema.allOf.reduce<Schema>((merged, part) => {
    const one = resolve(part, document);
    const properties = (merged.properties ?? one.properties) ? { ...merged.properties, ...one.properties } : undefined;
    const required = [...(merged.required ?? []), ...(one.required ?? [])];
    return { ...merged, ...one, ...(properties && { properties }), required };
  }, {});
}

/** `string, one of strict, up_to` */
export function typeText(schema: Schema, document: OpenApiDocument): string {
  const resolved = resolve(schema, document);
  const { type, format, minimum, maximum, maxLength } = resolved;
  const words = [[type ?? 'any'].flat().join(' or ')];
  if (resolved.items) words.push(`of ${typeText(resolved.items, document)}`);
  if (format !== undefined) words.push(`(${format})`);
  if (resolved.enum) words.push(`one of ${resolved.enum.join(', ')}`);
  if (minimum !== undefined || maximum !== undefined) words.push(`${minimum ?? '…'}–${maximum ?? '…'}`);
  if (maxLength !== undefined) words.push(`at most ${maxLength} characters`);
  if (resolved.default !== undefined) words.push(`default ${JSON.stringify(resolved.default)}`);
  return words.join(' ').replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** A value to start from: what is required, and what has an example. */
export function exampleOf(schema: Schema, document: OpenApiDocument): unknown {
  const resolved = resolve(schema, document);
  const { type, properties, required = [] } = resolved;
  if (resolved.example !== undefined) return resolved.example;
  if (resolved.enum) return resolved.enum[0];
  if (properties) {
    const shown = Object.entries(properties).filter(
      ([name, field]) => required.includes(name) || resolve(field, document).example !== undefined,
    );
    return Object.fromEntries(shown.map(([name, field]) => [name, exampleOf(field, document)]));
  }
  const [name = ''] = [type].flat();
  switch (name) {
    case 'integer':
    case 'number':
      return resolved.minimum ?? 0;
    case 'boolean':
      return true;
    case 'array':
      return resolved.items ? [exampleOf(resolved.items, document)] : [];
    case 'object':
      return {};
    default:
      return '';
  }
}
