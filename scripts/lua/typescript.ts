// Write the generated TypeScript: codes, the Redis library, and for each script its types, argument encoder and reply decoders.
import type { Library } from './bundle.ts';
import type { Codes } from './codes.ts';
import type { Argument, Signature } from './signature.ts';

const HEAD = '// Generated from lua/ by `npm run generate`: do not edit.\n';

export function writeCodes(codes: Codes): string {
  return `${HEAD}export const codes = ${JSON.stringify(codes, null, 2).replace(/"(\w+)":/g, '$1:')} as const;\n`;
}

export function writeScripts(signatures: Signature[], library: Library): string {
  return `${HEAD}import { atomsFromRedis as atoms, type Atoms } from '../units.ts';
import { withoutEmpty, type Script } from './script.ts';

/** The Redis library that holds all scripts; names end in its hash. */
export const libraryHash = '${library.hash}';
${signatures.map((signature) => writeScript(signature, library.hash)).join('')}
/** What FUNCTION LOAD takes. */
export const libraryText =
  ${literal(library.text)};
`;
}

// Line breaks stay visible, so that a change of one Lua line is a change of one line here.
function literal(text: string): string {
  return JSON.stringify(text).replace(/\\n/g, '\\n\\\n');
}

function writeScript(signature: Signature, hash: string): string {
  const type = pascal(signature.name);
  const replays = signature.replies.some((reply) => reply.status === 'replayed');
  const replies = signature.replies.filter((reply) => reply.status !== 'replayed');
  const docs = signature.doc
    .split('\n')
    .map((line) => ` * ${line}`.trimEnd())
    .join('\n');
  return `
export type ${type}Keys = { ${signature.keys.map((key) => `${camel(key)}: string`).join('; ')} };
export type ${type}Args = { ${signature.args.map((arg) => `${camel(arg.name)}: ${argType(arg)}`).join('; ')} };
export type ${type}Reply =
${replies.map((reply) => `  | { ${[`status: '${reply.status}'`, ...reply.values.map((value) => `${camel(value)}: ${valueType(value)}`), ...(replays ? ['replayed?: true'] : [])].join('; ')} }`).join('\n')};

/**
${docs}
 */
export const ${camel(signature.name)}Script: Script<${type}Keys, ${type}Args, ${type}Reply> = {
  name: '${signature.name}',
  functionName: '${signature.name}_${hash}',
  keysCount: ${signature.keys.length},
  binary: ${replays || replies.some((reply) => reply.values.some((value) => /_(packed|record)$/.test(value)))},
  encode: (${parametersOf(signature)}) => ${encoder(signature)},
  decode: {
${replies.map((reply) => `    ${reply.status}: (${reply.values.length > 0 ? 'reply' : ''}) => ({ ${[`status: '${reply.status}'`, ...reply.values.map((value, i) => `${camel(value)}: ${decodeValue(value, i + 1)}`)].join(', ')} }),`).join('\n')}
  },
};
`;
}

function encoder({ keys, args }: Signature): string {
  const values = `[${[...keys.map((key) => `keys.${camel(key)}`), ...args.map(encodeArg)].join(', ')}]`;
  const optionalCount = args.filter(({ isOptional }) => isOptional).length;
  return optionalCount > 0 ? `withoutEmpty(${values}, ${optionalCount})` : values;
}

function argType(arg: Argument): string {
  if (arg.name.endsWith('_packed') || arg.name === 'expired_hold') return 'Buffer | string';
  if (arg.name.endsWith('_atoms')) return 'Atoms';
  // Numbers that a script hands on as they came stay text in Lua, where turning one into the other costs.
  return arg.isNumber || arg.name.endsWith('_ms') || arg.name === 'asset' ? 'number' : 'string';
}

/** What src/wallet/script.ts has in CommonArgs. */
const common = new Set('fence not_after_ms environment operation_id fingerprint keep_ms repeated looked_up'.split(' '));

function parametersOf({ args }: Signature): string {
  const isCommon = args.some(({ name }) => common.has(name));
  const isOwn = args.some(({ name }) => !common.has(name));
  return ['keys', ...(isOwn || isCommon ? [isOwn ? 'args' : '_'] : []), ...(isCommon ? ['common'] : [])].join(', ');
}

function encodeArg(arg: Argument): string {
  const value = `${common.has(arg.name) ? 'common' : 'args'}.${camel(arg.name)}`;
  return arg.name.endsWith('_atoms') ? `String(${value})` : value;
}

function valueType(value: string): string {
  if (value.endsWith('_atoms')) return 'Atoms';
  if (value.endsWith('_packed')) return 'Buffer[]';
  if (value.endsWith('_record')) return 'Buffer';
  return isText(value) ? 'string' : 'number';
}

function decodeValue(value: string, index: number): string {
  if (value.endsWith('_atoms')) return `atoms(reply[${index}])`;
  if (value.endsWith('_packed')) return `reply[${index}] as Buffer[]`;
  if (value.endsWith('_record')) return `reply[${index}] as Buffer`;
  // What an earlier release remembered may lack the last texts.
  return isText(value) ? `String(reply[${index}] ?? '')` : `reply[${index}] as number`;
}

function isText(value: string): boolean {
  return value.endsWith('_text') || value.endsWith('_refs');
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function pascal(name: string): string {
  return camel(`_${name}`);
}
