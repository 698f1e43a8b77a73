// What the SDK has no call for: products, subscriptions, budgets.
import { advice } from '../stores/advice.ts';

export type Post = (path: string, body: object) => Promise<unknown>;

export function postTo({ baseUrl, apiKey }: { readonly baseUrl: string; readonly apiKey: string }): Post {
  return async (path, body) => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
    const reply = await fetch(`${baseUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await reply.text();
    if (!reply.ok) throw advice(`POST ${path} → ${reply.status}: ${text}`);
    return JSON.parse(text) as unknown;
  };
}
