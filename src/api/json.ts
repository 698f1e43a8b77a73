// Request bodies: read with a bound, and parsed more strictly than JSON.parse does.
//
// What is too large is read on to its end and thrown away, up to a bound, before it is refused: a client that is still
// sending reads no answer, and a connection with an unread rest is of no more use. Beyond that bound the server under
// Hono decides (@hono/node-server drains for half a second, then closes).
//
// Refused besides what JSON.parse refuses: a key that comes twice (which one would count?), nesting that a reader may not
// survive, UTF-8 that is none, numbers no double holds, and text that Postgres or a script could not keep as it is.
import type { FieldError } from '../contract.ts';
import { bodyBytesMax, bodyDepthMax } from '../limits.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';
import { findDuplicateKey } from './duplicate-key.ts';

/** Read and thrown away at most, of a body that is too large. */
const discardedBytesMax = 8 * 1024 * 1024;

export type JsonBody = { status: 'json'; value: unknown } | Refused;

const jsonType = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;
const unkeepable = /\0|\p{Surrogate}/gu;
const notJson = (detail: string): Refused => refuse('invalid_json', detail);

/** The JSON value of a request's body; an empty one is `{}`. */
export async function readJson(request: Request): Promise<JsonBody> {
  const bytes = await readBytes(request);
  switch (bytes) {
    case 'too_large':
      return refuse('body_too_large', `the body is larger than ${bodyBytesMax} bytes`);
    case 'cut_off':
      return notJson('the body ended early');
  }
  if (bytes.byteLength === 0) return { status: 'json', value: {} };
  const type = request.headers.get('content-type');
  if (type !== 'application/json' && !(type !== null && jsonType.test(type))) {
    return refuse('unsupported_media_type', `the body is ${type ?? 'of no declared type'}, not application/json in UTF-8`);
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return notJson('the body is not valid UTF-8');
  }
  return parseJson(text);
}

export function parseJson(text: string): JsonBody {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(error instanceof SyntaxError ? error.message : 'the body is not JSON');
  }
  if (isDeeper(value, bodyDepthMax)) return notJson(`nested deeper than ${bodyDepthMax}`);
  // A text that comes out again as it went in has no key twice and no number out of range.
  const isPlain = JSON.stringify(value) === text;
  if (!isPlain) {
    const key = findDuplicateKey(text);
    if (key !== undefined) return notJson(`the key ${JSON.stringify(key)} comes twice in one object`);
  }
  // Unless something is escaped, a string can't contain what is refused: JSON has no raw NUL, UTF-8 no lone surrogate.
  if (isPlain && !text.includes('\\u') && !text.includes('__proto__')) return { status: 'json', value };
  const faults: FieldError[] = [];
  collectFaults(value, '', faults);
  return faults.length === 0 ? { status: 'json', value } : refuseFields(faults);
}

async function readBytes(request: Request): Promise<ArrayBuffer | Uint8Array | 'too_large' | 'cut_off'> {
  const declared = request.headers.get('content-length');
  const length = declared === null ? Number.NaN : Number(declared);
  if (length > discardedBytesMax) return 'too_large';
  try {
    if (length <= bodyBytesMax) return await request.arrayBuffer();
    return await readStream(request);
  } catch {
    return 'cut_off';
  }
}

async function readStream(request: Request): Promise<Uint8Array | 'too_large'> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Not a `for await`: leaving that early would cancel the stream, and with it the connection.
  const reader = request.body?.getReader();
  while (reader && length <= discardedBytesMax) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length <= bodyBytesMax) chunks.push(value);
    else chunks.length = 0;
  }
  if (length > bodyBytesMax) return 'too_large';
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Whether a value nests deeper than `levels`: `{}` is one level. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (isDeeper(inner, levels - 1)) return true;
  return false;
}

function collectFaults(value: unknown, path: string, faults: FieldError[]): void {
  if (typeof value === 'number' && !Number.isFinite(value)) faults.push({ path, message: 'is too large a number' });
  if (typeof value === 'string') collectTextFaults(value, path, 'has', faults);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const innerPath = path === '' ? key : `${path}.${key}`;
    if (key === '__proto__') faults.push({ path: innerPath, message: 'is not a name that can be used' });
    collectTextFaults(key, innerPath, 'is a name with', faults);
    collectFaults(inner, innerPath, faults);
  }
}

function collectTextFaults(text: string, path: string, verb: string, faults: FieldError[]): void {
  const shownPath = path.replace(unkeepable, '\u{fffd}');
  if (text.includes('\0')) faults.push({ path: shownPath, message: `${verb} a NUL character` });
  if (loneSurrogate.test(text)) faults.push({ path: shownPath, message: `${verb} half a surrogate pair` });
}
