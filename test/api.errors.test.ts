// The table of errors, the page that documents it, and what a problem says.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { errorCodes, errors, problemOf, typeOf } from '../src/errors.ts';
import { ask, stubApp } from './api.stub.ts';

describe('the table', () => {
  test('is what docs/errors.md lists, code by code', () => {
    const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z_]+)` \| (\d+) \| (yes|no) \| (.+) \| (.+) \|$/gm)];
    const listed = rows.map(([, code, status, retry, title, whatToDo]) => [code, status, retry, title, whatToDo]);
    const expected = errorCodes.map((code) => {
      const { status, retryable, title, whatToDo } = errors[code];
      return [code, String(status), retryable ? 'yes' : 'no', `${title}.`, whatToDo];
    });
    expect(listed).toEqual(expected);
  });

  test('is explained where the type of a problem leads', async () => {
    const { text } = await ask(stubApp().app, '/docs/errors', { secret: null });
    for (const code of errorCodes) {
      expect(typeOf(code)).toBe(`/docs/errors#${code}`);
      expect(text).toContain(`<tr id="${code}">`);
    }
  });
});

describe('a problem', () => {
  test('says everything that a client switches on', () => {
    const { status, headers, text } = problemOf({ code: 'hold_not_found', detail: 'no such hold' }, 'req_1');
    expect(status).toBe(404);
    expect(headers).toEqual({
      'content-type': 'application/problem+json',
      'x-request-id': 'req_1',
      'x-should-retry': 'false',
    });
    expect(JSON.parse(text)).toEqual({
      type: '/docs/errors#hold_not_found',
      title: 'No such hold',
      status: 404,
      detail: 'no such hold',
      code: 'hold_not_found',
      retryable: false,
      outcome: 'not_applied',
      request_id: 'req_1',
    });
  });

  test.each(errorCodes)('%s is not to be retried unless the table says that it may help', (code) => {
    const { headers } = problemOf({ code, detail: '' }, 'req_1');
    expect(headers['x-should-retry'] === 'false').toBe(!errors[code].retryable);
    expect(headers['retry-after']).toBe(errors[code].status === 503 ? '1' : undefined);
  });

  test('names whole seconds to wait, never less than was said', () => {
    const retryAfter = (retryAfterMs: number): string | undefined =>
      problemOf({ code: 'unavailable', detail: '', retryAfterMs }, 'req_1').headers['retry-after'];
    expect([0, 1, 1_000, 1_001, 59_999].map(retryAfter)).toEqual(['1', '1', '1', '2', '60']);
  });

  test('a decline has the word as its status, beside the number of the reply', () => {
    const { status, text } = problemOf(
      { code: 'insufficient_balance', detail: '', more: { status: 'declined' } },
      'req_1',
    );
    expect(status).toBe(402);
    expect(JSON.parse(text)).toMatchObject({ status: 'declined', code: 'insufficient_balance' });
  });
});
