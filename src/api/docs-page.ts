// The OpenAPI document as a page to read and to try, and the table of errors as another. Whole as they are sent: nothing
// is loaded from elsewhere.
import { errorCodes, errors } from '../errors.ts';
import { pageScript, pageStyle } from './docs-assets.ts';
import { exampleOf, resolve, typeText, type Schema } from './docs-schema.ts';
import type { OpenApiDocument } from './openapi.ts';

type Content = Record<string, { schema?: Schema }>;
type Parameter = { name: string; in: string; required?: boolean; description?: string; schema?: Schema };
type Operation = {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
};
type Described = Operation & { method: string; path: string };

export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({ ...operation, method, path })),
  );
  const tags = [...new Set(operations.map(tagOf))];
  const ofTag = (tag: string): Described[] => operations.filter((operation) => tagOf(operation) === tag);
  const links = (operation: Described): string =>
    `<a href="#${operation.operationId}"><b class="${operation.method}">${operation.method}</b> ${escape(operation.path)}</a>`;
  return page(
    document.info.title,
    `<nav><input id="filter" type="search" placeholder="Filter" aria-label="Filter">
<label>Key <input id="key" type="password" placeholder="fb_test_…" autocomplete="off"></label>
${tags.map((tag) => `<h2>${tag}</h2>${ofTag(tag).map(links).join('')}`).join('')}
<h2>more</h2><a href="/docs/errors">errors</a><a href="/openapi.json">openapi.json</a></nav>
<main><h1>${escape(document.info.title)} API</h1><p>${inline(document.info.description ?? '')}</p>
${tags
  .flatMap(ofTag)
  .map((operation) => operationSection(operation, document))
  .join('\n')}</main>
<script>${pageScript}</script>`,
  );
}

export function errorsPage(): string {
  const rows = errorCodes.map((code) => {
    const { status, title, retryable, whatToDo } = errors[code];
    return `<tr id="${code}"><td><a href="#${code}"><code>${code}</code></a></td><td>${status}</td><td>${escape(title)}.</td>
<td>${retryable ? 'yes' : 'no'}</td><td>${inline(whatToDo)}</td></tr>`;
  });
  return page(
    'Farebox errors',
    `<main class="wide"><h1>Errors</h1><p>Every refusal is an RFC 9457 problem with one of these codes. <a href="/docs">All routes</a>.</p>
<table><tr><th>code</th><th>status</th><th>meaning</th><th>retry may help</th><th>what to do</th></tr>
${rows.join('\n')}</table></main>`,
  );
}

const tagOf = (operation: Operation): string => operation.tags?.[0] ?? 'other';

function operationSection(operation: Described, document: OpenApiDocument): string {
  const { operationId, method, path, summary = '', description = '', parameters = [], requestBody } = operation;
  const scopes = (operation.security ?? []).flatMap(({ key = [] }) => key);
  const access =
    scopes.length === 0 ? 'needs no key' : `scope ${scopes.map((scope) => `<code>${scope}</code>`).join(' or ')}`;
  const body = requestBody?.content['application/json']?.schema;
  const [successes, failures] = [
    replies(operation, (status) => status < 400),
    replies(operation, (status) => status >= 400),
  ];
  const shown = successes.map(
    ({ status, description: text, content }) =>
      `<details open><summary><code>${status}</code> ${inline(text)}</summary>${replyOf(content, document)}</details>`,
  );
  return `<section id="${operationId}" data-search="${escape(`${method} ${path} ${summary}`.toLowerCase())}">
<h3><b class="${method}">${method}</b> ${escape(path)}</h3><p>${inline(summary)}. ${inline(description)} <small>${access}</small></p>
${parameters.length > 0 ? `<h4>Parameters</h4>${parametersTable(parameters, document)}` : ''}
${body ? `<h4>Body</h4>${fieldsTable(body, document)}` : ''}
<h4>Replies</h4>${shown.join('')}
${failures.map((failure) => failureOf(failure, document)).join('')}
${tryForm(operation, body, document)}</section>`;
}

type Reply = { status: number; description: string; content?: Content };

function replies({ responses }: Operation, isWanted: (status: number) => boolean): Reply[] {
  return Object.entries(responses)
    .map(([status, reply]) => ({ status: Number(status), ...reply }))
    .filter(({ status }) => isWanted(status));
}

/** Its codes, each with a link to what to do; its fields only where it has more than every problem. */
function failureOf({ status, description, content }: Reply, document: OpenApiDocument): string {
  const linked = inline(description).replace(
    /<code>([a-z_]+)<\/code>:/g,
    '<a href="/docs/errors#$1"><code>$1</code></a>',
  );
  const { schema } = content?.['application/problem+json'] ?? {};
  const isCommon = schema?.allOf !== undefined || schema === undefined;
  return `<details><summary><code>${status}</code> ${codesIn(description)}</summary><p>${linked}</p>${isCommon ? '' : replyOf(content, document)}</details>`;
}

const codesIn = (description: string): string =>
  [...description.matchAll(/`([a-z_]+)`:/g)].map(([, code]) => `<code>${code}</code>`).join(' ');

function replyOf(content: Content | undefined, document: OpenApiDocument): string {
  return Object.entries(content ?? {})
    .map(([type, { schema }]) => `<p><small>${escape(type)}</small></p>${schema ? fieldsTable(schema, document) : ''}`)
    .join('');
}

function parametersTable(parameters: Parameter[], document: OpenApiDocument): string {
  const rows = parameters.map(
    ({ name, in: where, required, description = '', schema = {} }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${where}${required ? ', required' : ''}</td><td>${typeText(schema, document)}</td><td>${inline(description)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

function fieldsTable(schema: Schema, document: OpenApiDocument): string {
  const { anyOf, properties, required = [], description = '', ...rest } = resolve(schema, document);
  if (anyOf) return anyOf.map((one) => fieldsTable(one, document)).join('<p>or</p>');
  if (!properties) return `<p>${typeText({ ...rest, description }, document)} ${inline(description)}</p>`;
  const rows = Object.entries(properties).map(([name, field]) => {
    const { description: text = '', properties: inner, items } = resolve(field, document);
    const isListed = items !== undefined && resolve(items, document).properties !== undefined;
    const nested = inner && Object.keys(inner).length > 0 ? field : isListed ? items : undefined;
    const below = nested ? `<tr><td colspan="4" class="below">${fieldsTable(nested, document)}</td></tr>` : '';
    return `<tr><td><code>${escape(name)}</code></td><td>${required.includes(name) ? 'required' : ''}</td>
<td>${typeText(field, document)}</td><td>${inline(text)}</td></tr>${below}`;
  });
  return `<p>${inline(description)}</p><table>${rows.join('')}</table>`;
}

/** Sends the request from the page: to this gateway, with the key typed in beside it. */
function tryForm(
  { method, path, parameters = [] }: Described,
  body: Schema | undefined,
  document: OpenApiDocument,
): string {
  const inputs = parameters.map(
    ({ name, in: where }) => `<label>${escape(name)} <input name="${escape(name)}" data-in="${where}"></label>`,
  );
  const example = body ? escape(JSON.stringify(exampleOf(body, document), null, 2)) : '';
  const text = body ? `<textarea name="body" rows="6" spellcheck="false">${example}</textarea>` : '';
  return `<details class="try"><summary>Try it</summary><form data-method="${method}" data-path="${escape(path)}">${inputs.join('')}${text}
<button>Send</button><pre hidden></pre></form></details>`;
}

function page(title: string, content: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title><style>${pageStyle}</style></head><body>${content}</body></html>`;
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? character);

/** Text with its `code` and its paragraphs. */
function inline(text: string): string {
  return escape(text)
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll('\n\n', '<br>');
}
