// One HTTP request on a given agent's connections, sent once: what `fetch` may repeat by itself, this never does.
import { request, type Agent } from 'node:http';
import type { Reply } from '../farebox.ts';
import type { Asked } from './asked.ts';

/** Undefined when the connection broke before the whole answer was there. */
export function requestOnce(
  url: string,
  {
    agent,
    key,
    asked,
    onSent = () => {},
  }: {
    agent: Agent;
    key: string;
    asked: Pick<Asked, 'path' | 'body' | 'key'>;
    /** It has left this process. */
    onSent?: () => void;
  },
): Promise<Reply | undefined> {
  const body = JSON.stringify(asked.body);
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'idempotency-key': asked.key,
  };
  return new Promise((done) => {
    const sent = request(`${url}${asked.path}`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', () => done(undefined));
      response.on('end', () => {
        const { statusCode: status = 0 } = response;
        done({ status, headers: new Headers(), text, body: JSON.parse(text) });
      });
    });
    sent.on('error', () => done(undefined));
    sent.on('finish', onSent);
    sent.end(body);
  });
}
