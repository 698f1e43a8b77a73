// Arguments of a script's call by their names, to send the same call with another one.
import { authorizeScript, chargeScript, extendScript, settleScript } from '../../src/wallet/scripts.gen.ts';
import type { Command } from './wallets.ts';

/** Names of keys and arguments, in their order, by function: of the scripts that say which prices and subscriptions they go by. */
export const pricing = new Map(
  [authorizeScript, chargeScript, settleScript, extendScript].map(({ functionName, encode }) => [
    functionName,
    namesOf(encode),
  ]),
);

/** Left alone where there is no such value. */
export function withValue(command: Command, names: string[], name: string, value: string | number): Command {
  const [functionName = '', keysCount = 0, ...values] = command.values;
  const at = names.indexOf(name);
  if (at < 0) return command;
  while (values.length <= at) values.push('');
  values[at] = value;
  return { ...command, values: [functionName, keysCount, ...values] };
}

// What a script's keys and arguments are called, in the order in which it is sent them.
function namesOf(encode: (keys: never, args: never, common: never) => unknown[]): string[] {
  const named = new Proxy({}, { get: (_, name) => String(name) });
  return encode(named as never, named as never, named as never).map(String);
}
