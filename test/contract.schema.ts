// A value against a JSON Schema of /openapi.json: as much of the language as the document uses, and no more.
//
// A keyword that is not known here is a flaw, so that nothing passes unseen. Stricter than JSON Schema in one thing: a field that
// the schema neither names nor leaves open is a flaw too, because the document promises to be complete.
export type JsonSchema = { readonly [keyword: string]: any };
type Document = { readonly [name: string]: any };

const annotations = new Set(['description', 'title', 'example', 'examples', 'default', 'deprecated']);
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** What is wrong with it, each with where; empty when nothing is. */
export function flawsOf(document: Document, schema: JsonSchema, value: unknown, at = '$'): string[] {
  const whole = resolve(document, schema);
  const flaws = keywordFlaws(document, whole, value, at);
  const open = namesOf(document, whole);
  if (open !== 'open' && isObject(value)) {
    for (const name of Object.keys(value)) {
      if (!open.has(name)) flaws.push(`${at}.${name} is not documented`);
    }
  }
  return flaws;
}

function keywordFlaws(document: Document, schema: JsonSchema, value: any, at: string): string[] {
  const inner = (part: JsonSchema, item: unknown, where: string) => flawsOf(document, part, item, where);
  return Object.entries(schema).flatMap(([keyword, rule]): string[] => {
    const flaw = (holds: boolean) => (holds ? [] : [`${at}: ${brief(value)} against ${keyword} ${brief(rule)}`]);
    switch (keyword) {
      case '$ref':
        return keywordFlaws(document, resolve(document, schema), value, at);
      case 'type':
        return flaw([rule].flat().some((type: string) => isOfType(value, type)));
      case 'enum':
        return flaw(rule.includes(value));
      case 'const':
        return flaw(rule === value);
      case 'allOf':
        return rule.flatMap((part: JsonSchema) => keywordFlaws(document, resolve(document, part), value, at));
      case 'anyOf':
      case 'oneOf': {
        const branches: string[][] = rule.map((part: JsonSchema) => inner(part, value, at));
        const fitting = branches.filter((found) => found.length === 0).length;
        return fitting === 1 || (fitting > 1 && keyword === 'anyOf')
          ? []
          : [`${at}: ${fitting} branches of ${keyword} fit:`, ...branches.map((found) => `  [${found.join('; ')}]`)];
      }
      case 'properties':
        if (!isObject(value)) return [];
        return Object.entries<JsonSchema>(rule).flatMap(([name, part]) =>
          Object.hasOwn(value, name) ? inner(part, value[name], `${at}.${name}`) : [],
        );
      case 'required':
        return isObject(value)
          ? rule.flatMap((name: string) => (Object.hasOwn(value, name) ? [] : [`${at}.${name} is missing`]))
          : [];
      case 'additionalProperties': {
        if (!isObject(value) || rule === true) return [];
        const extra = Object.keys(value).filter((name) => !Object.hasOwn(schema['properties'] ?? {}, name));
        return rule === false
          ? extra.map((name) => `${at}.${name} is not allowed`)
          : extra.flatMap((name) => inner(rule, value[name], `${at}.${name}`));
      }
      case 'items':
        return Array.isArray(value) ? value.flatMap((item, index) => inner(rule, item, `${at}[${index}]`)) : [];
      case 'minItems':
        return flaw(!Array.isArray(value) || value.length >= rule);
      case 'maxItems':
        return flaw(!Array.isArray(value) || value.length <= rule);
      case 'minLength':
        return flaw(typeof value !== 'string' || Array.from(value).length >= rule);
      case 'maxLength':
        return flaw(typeof value !== 'string' || Array.from(value).length <= rule);
      case 'pattern':
        return flaw(typeof value !== 'string' || new RegExp(rule, 'u').test(value));
      case 'minimum':
        return flaw(typeof value !== 'number' || value >= rule);
      case 'maximum':
        return flaw(typeof value !== 'number' || value <= rule);
      case 'format':
        if (rule === 'date-time') return flaw(typeof value !== 'string' || dateTime.test(value));
        if (rule === 'uri-reference') return flaw(typeof value !== 'string' || URL.canParse(value, 'http://any'));
        return [`${at}: the format ${rule} is not known to this test`];
      default:
        return annotations.has(keyword) ? [] : [`${at}: the keyword ${keyword} is not known to this test`];
    }
  });
}

/** The fields that a schema names, or that it leaves them open. */
function namesOf(document: Document, schema: JsonSchema): Set<string> | 'open' {
  const whole = resolve(document, schema);
  if (whole['anyOf'] || whole['oneOf']) return 'open'; // each branch is looked at by itself
  if (whole['additionalProperties'] !== undefined) return 'open'; // looked at there
  if (!whole['properties'] && !whole['allOf']) return 'open';
  const names = new Set(Object.keys(whole['properties'] ?? {}));
  for (const part of whole['allOf'] ?? []) {
    const more = namesOf(document, part);
    if (more === 'open') return more;
    for (const name of more) names.add(name);
  }
  return names;
}

export function resolve(document: Document, schema: JsonSchema): JsonSchema {
  const reference: string | undefined = schema['$ref'];
  if (reference === undefined) return schema;
  const found: JsonSchema | undefined = reference
    .replace(/^#\//, '')
    .split('/')
    .reduce<any>((part, name) => part?.[name], document);
  if (!found) throw new Error(`${reference} leads nowhere`);
  return resolve(document, found);
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const brief = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 120);
