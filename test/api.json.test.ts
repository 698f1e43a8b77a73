// Request bodies: what is JSON, what is refused though JSON.parse would take it, and at which status.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findDuplicateKey } from '../src/api/duplicate-key.ts';
import { parseJson, readJson } from '../src/api/json.ts';
import { bodyBytesMax, bodyDepthMax } from '../src/limits.ts';

const codeOf = (text: string): string => {
  const read = parseJson(text);
  return read.status === 'json' ? 'json' : read.code;
};
const pathsOf = (text: string): string[] => {
  const read = parseJson(text);
  if (read.status === 'json') return [];
  const { errors = [] } = (read.more ?? {}) as { errors?: { path: string }[] };
  return errors.map(({ path }) => path);
};
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('a body', () => {
  test.each([
    ['{"a":1}', 'json'],
    ['{ "a" : 1 }', 'json'],
    ['[]', 'json'],
    ['null', 'json'],
    ['"text"', 'json'],
    ['{"a":"e1"}', 'json'],
    ['{"a":true,"b":false}', 'json'],
    ['{"a":1e3}', 'json'],
    ['{"a":"\\u0041"}', 'json'],
    ['{"a":"\\ud83d\\ude00"}', 'json'],
    ['{"a":"\\\\u0000"}', 'json'],
    ['{"a":"__proto__"}', 'json'],
    [' ', 'invalid_json'],
    ['{', 'invalid_json'],
    ['{"a":1,}', 'invalid_json'],
    ["{'a':1}", 'invalid_json'],
    ['{"a":NaN}', 'invalid_json'],
    ['{"a":1}{}', 'invalid_json'],
    ['{"a":01}', 'invalid_json'],
    ['\ufeff{}', 'invalid_json'],
    ['{"a":1,"a":1}', 'invalid_json'],
    ['{"a":1,"\\u0061":2}', 'invalid_json'],
    ['{"b":[{"a":{},"a":[]}]}', 'invalid_json'],
    ['{"b":{"x":1},"c":{"x":1}}', 'json'],
    ['{"__proto__":1}', 'invalid_request'],
    ['{"a":{"\\u005f_proto__":1}}', 'invalid_request'],
    ['{"a":"\\u0000"}', 'invalid_request'],
    ['{"\\u0000":1}', 'invalid_request'],
    ['{"a":"\\ud83d"}', 'invalid_request'],
    ['{"\\ude00":1}', 'invalid_request'],
    ['{"a":1e400}', 'invalid_request'],
    ['{"a":[-1E400]}', 'invalid_request'],
    [`{"a":1${'0'.repeat(400)}}`, 'invalid_request'],
    [`{"b":12,"a":1${'0'.repeat(400)},"c":[3]}`, 'invalid_request'],
    [`{"a":"1${'0'.repeat(400)}"}`, 'json'],
    [nested(bodyDepthMax), 'json'],
    [nested(bodyDepthMax + 1), 'invalid_json'],
    [nested(30_000), 'invalid_json'],
    [`{"a":"${'['.repeat(40)}"}`, 'json'],
  ])('%j is %s', (text, expected) => expect(codeOf(text)).toBe(expected));

  test('what is wrong in it is named by its path', () => {
    expect(pathsOf('{"metadata":{"list":[1,{"x":"\\u0000"}]},"n":1e999}')).toEqual(['metadata.list.1.x', 'n']);
    expect(pathsOf('{"a":{"__proto__":{}}}')).toEqual(['a.__proto__']);
  });

  test('any value, however it is written, is read as JSON.parse reads it', () => {
    const values = fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }).filter((value) => {
      const text = JSON.stringify(value);
      return !text.includes('__proto__') && !text.includes('\\u');
    });
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseJson(text)).toMatchObject({ status: 'json', value: JSON.parse(text) as unknown });
      }),
    );
  });

  test('a key that comes twice is found wherever it is, and only then', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(json, (text) => {
        expect(findDuplicateKey(text)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.string(), json, json, json, (key, first, second, beside) => {
        const name = JSON.stringify(key);
        const text = `[${beside},{${name}:${first} , ${name} :${second}}]`;
        expect(findDuplicateKey(text)).toBe(key);
        expect(codeOf(text)).toBe('invalid_json');
      }),
    );
  });
});

describe('a request', () => {
  const request = (
    body: string | Uint8Array<ArrayBuffer> | undefined,
    type: string | undefined = 'application/json',
  ): Request =>
    new Request('http://farebox/', {
      method: 'POST',
      ...(type !== undefined && { headers: { 'content-type': type } }),
      ...(body !== undefined && { body }),
    });
  const outcomeOf = async (asked: Request): Promise<string> => {
    const read = await readJson(asked);
    return read.status === 'json' ? 'json' : read.code;
  };

  test('without a body is an empty object, whatever its type', async () => {
    expect(await readJson(request(undefined, 'text/plain'))).toMatchObject({ status: 'json', value: {} });
    expect(await readJson(request(''))).toMatchObject({ status: 'json', value: {} });
  });

  test.each([
    ['application/json', 'json'],
    ['application/json; charset=utf-8', 'json'],
    ['Application/JSON;charset="UTF-8"', 'json'],
    ['application/json; charset=utf-16', 'unsupported_media_type'],
    ['application/jsonp', 'unsupported_media_type'],
    ['application/problem+json', 'unsupported_media_type'],
    ['application/x-www-form-urlencoded', 'unsupported_media_type'],
    ['text/plain', 'unsupported_media_type'],
    ['', 'unsupported_media_type'],
  ])('of type %j is %s', async (type, expected) => expect(await outcomeOf(request('{}', type))).toBe(expected));

  test('is read up to 64 KiB, counted in bytes', async () => {
    const ofBytes = (bytes: number): string => `"${'é'.repeat((bytes - 2) / 2)}"`;
    expect(await outcomeOf(request(ofBytes(bodyBytesMax)))).toBe('json');
    expect(await outcomeOf(request(ofBytes(bodyBytesMax + 2)))).toBe('body_too_large');
  });

  test.each([
    ['a byte that none begins with', [0xff]],
    ['a cut off character', [0xc3]],
    ['half an emoji', [0xf0, 0x9f, 0x98]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
  ])('with %s is not JSON', async (_, bytes) => {
    expect(await outcomeOf(request(new Uint8Array([0x22, ...bytes, 0x22])))).toBe('invalid_json');
  });

  test('may contain the replacement character', async () => {
    expect(await readJson(request('"\ufffd"'))).toMatchObject({ status: 'json', value: '\ufffd' });
  });

  test('that breaks off is refused, not thrown', async () => {
    const broken = new ReadableStream({
      pull: (controller) => controller.error(new Error('connection lost')),
    });
    const asked = new Request('http://farebox/', { method: 'POST', body: broken, duplex: 'half' });
    expect(await outcomeOf(asked)).toBe('invalid_json');
  });
});
