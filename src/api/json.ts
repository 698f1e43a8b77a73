// JSON of request bodies, parsed more strictly than JSON.parse does.
//
// Refused besides what JSON.parse refuses: a key that comes twice (which one would count?), nesting that a reader may not
// survive, UTF-8 that is none, numbers no double holds, and text that Postgres or a script could not keep as it is.
import type { FieldError } from '../contract.ts';
import { bodyBytesMax, bodyDepthMax } from '../limits.ts';
import type { JsonObject } from '../records.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';
import { readBody } from './body.ts';
import { findDuplicateKey } from './duplicate-key.ts';

/** `length` is the text's, in UTF-16 units; `faults` are what no field may have in it, where the route asked to be told. */
export type JsonBody = { status: 'json'; value: unknown; length: number; faults?: FieldError[] } | Refused;
type How = {
  bytesMax?: number | undefined;
  /** Faults do not refuse the whole body: the route says which part of it they spoil. */
  leavesFaults?: boolean | undefined;
};

const jsonType = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i;
const [quote, backslash, colon, comma] = [0x22, 0x5c, 0x3a, 0x2c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const [lowerE, upperE, zero, nine] = [0x65, 0x45, 0x30, 0x39];
/** With fewer digits, no number without an exponent is out of range: the largest double has 309. */
const finiteDigitsMax = 309;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;
const unkeepable = /\0|\p{Surrogate}/gu;
const notJson = (detail: string): Refused => refuse('invalid_json', detail);

/** The JSON value of a request's body; an empty one is `{}`. `env` is what the server hands Hono beside the request. */
export async function readJson(request: Request, env?: unknown, how: How = {}): Promise<JsonBody> {
  const { bytesMax = bodyBytesMax } = how;
  const bytes = await readBody(request, env, bytesMax);
  switch (bytes) {
    case 'too_large':
      return refuse('body_too_large', `the body is larger than ${bytesMax} bytes`);
    case 'cut_off':
      return notJson('the body ended early');
    default:
      return decodeJson(bytes, request.headers, how);
  }
}

function decodeJson(bytes: Uint8Array, headers: Headers, how: How): JsonBody {
  if (bytes.byteLength === 0) return { status: 'json', value: {}, length: 0 };
  const type = headers.get('content-type');
  if (type !== 'application/json' && !(type !== null && jsonType.test(type))) {
    return refuse(
      'unsupported_media_type',
      `the body is ${type ?? 'of no declared type'}, not application/json in UTF-8`,
    );
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return notJson('the body is not valid UTF-8');
  }
  return parseJson(text, how);
}

export function parseJson(text: string, { leavesFaults = false }: How = {}): JsonBody {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(error instanceof SyntaxError ? error.message : 'the body is not JSON');
  }
  const { colons, depth, isPlain } = scan(text);
  if (depth > bodyDepthMax) return notJson(`nested deeper than ${bodyDepthMax}`);
  // Each key has its colon; a key that came twice is there once.
  if (colons !== countKeys(value)) {
    const key = findDuplicateKey(text);
    return notJson(`the key ${JSON.stringify(key)} comes twice in one object`);
  }
  // What is refused below needs an escape or an exponent: JSON has no raw NUL, and UTF-8 no lone surrogate.
  if (isPlain && !text.includes('__proto__')) return { status: 'json', value, length: text.length };
  const faults: FieldError[] = [];
  collectFaults(value, '', faults);
  return faults.length === 0 || leavesFaults
    ? { status: 'json', value, length: text.length, faults }
    : refuseFields(faults);
}

/** What a JSON text shows from outside its strings; quicker than to look at its value, or to write that again. */
function scan(text: string): { colons: number; depth: number; isPlain: boolean } {
  let colons = 0;
  let depth = 0;
  let depthNow = 0;
  // Since the last comma: there is one between any two numbers.
  let digits = 0;
  let isPlain = true;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === quote) isInString = !isInString;
    else if (unit === backslash) {
      isPlain = false;
      at += 1;
    } else if (isInString) continue;
    else if (unit === colon) colons += 1;
    else if (unit === openBrace || unit === openBracket) {
      depthNow += 1;
      if (depthNow > depth) depth = depthNow;
    } else if (unit === closeBrace || unit === closeBracket) depthNow -= 1;
    else if (isDigit(unit)) {
      digits += 1;
      if (digits >= finiteDigitsMax) isPlain = false;
    } else if (unit === comma) digits = 0;
    else if ((unit === lowerE || unit === upperE) && isDigit(text.charCodeAt(at - 1))) isPlain = false;
  }
  return { colons, depth, isPlain };
}

const isDigit = (unit: number): boolean => unit >= zero && unit <= nine;

/** All keys of all objects in a value. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + countKeys(inner), 0);
  let count = 0;
  for (const key in value) count += 1 + countKeys((value as JsonObject)[key]);
  return count;
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
