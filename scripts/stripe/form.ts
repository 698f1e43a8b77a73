// Stripe's requests: forms with brackets, `a[b][0]=c`, read into objects and lists.
import type { Params, ParamValue } from './reply.ts';

export function readForm(text: string): Params {
  const root: Params = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.replaceAll(']', '').split('[');
    let at = root;
    for (const part of path.slice(0, -1)) {
      const next = at[part];
      at = typeof next === 'object' && !Array.isArray(next) ? next : (at[part] = {});
    }
    const last = path.at(-1)!;
    // `expand[]=x`: one more of the list.
    at[last === '' ? String(Object.keys(at).length) : last] = value;
  }
  return asParams(root);
}

/** What is numbered from 0 is a list. */
function asParams(params: Params): Params {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, asValue(value)]));
}

function asValue(value: ParamValue): ParamValue {
  if (typeof value === 'string' || Array.isArray(value)) return value;
  const names = Object.keys(value);
  const isList = names.length > 0 && names.every((name, at) => name === String(at));
  return isList ? names.map((name) => asValue(value[name]!)) : asParams(value);
}
