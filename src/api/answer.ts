// What a handler answers. A refusal is an answer too; what is thrown is a bug or a broken store.
import type { FieldError } from '../contract.ts';
import { problemOf, type ErrorCode, type Refusal } from '../errors.ts';

export type Refused = { status: 'refused' } & Refusal;

export type Answer =
  | (AnswerMarks & { status: 200 | 201; body: object })
  /** JSON that was kept as text, word for word. */
  | (AnswerMarks & { status: 200 | 201; text: string })
  | { status: 204 }
  | Refused;

type AnswerMarks = {
  /** It is what the first request with this Idempotency-Key was answered. */
  replayed?: boolean | undefined;
  /** No replica has confirmed in time what this tells of; it says so in the reply, and nowhere else. */
  unconfirmed?: boolean | undefined;
};

export function refuse(code: ErrorCode, detail: string, rest: Omit<Refusal, 'code' | 'detail'> = {}): Refused {
  return { status: 'refused', code, detail, ...rest };
}

/** More would help nobody, and a large body may have a million. */
const errorsShownMax = 100;

/** 422, field by field. */
export function refuseFields(all: FieldError[]): Refused {
  const errors = all.slice(0, errorsShownMax);
  const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return refuse('invalid_request', detail, { more: { errors } });
}

// Plain header objects: @hono/node-server writes them as they are, without building a Headers.
export function responseOf(answer: Answer, requestId: string): Response {
  if (answer.status === 'refused') {
    const { status, headers, text } = problemOf(answer, requestId);
    return new Response(text, { status, headers });
  }
  if (answer.status === 204) return new Response(null, { status: 204, headers: { 'x-request-id': requestId } });
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-request-id': requestId };
  if (answer.replayed) headers['idempotent-replayed'] = 'true';
  const text = 'text' in answer ? answer.text : JSON.stringify(answer.body);
  return new Response(answer.unconfirmed ? unconfirmed(text) : text, { status: answer.status, headers });
}

/** Of a reply's JSON, an object with members. */
function unconfirmed(text: string): string {
  return `${text.slice(0, -1)},"durability":"unconfirmed"}`;
}
