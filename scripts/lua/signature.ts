// Read a script's keys, arguments and replies from its syntax tree.
import { memberPath, nameOf, requiredModule, stringOf, type LuaFile, type Node } from './parse.ts';

export type Argument = {
  name: string;
  isNumber: boolean;
  /** Written `ARGV[n] or ''`: it is not sent where it is empty, and so is all that follows. */
  isOptional: boolean;
};
export type Reply = { status: string; values: string[] };
export type Signature = { name: string; doc: string; keys: string[]; args: Argument[]; replies: Reply[] };

export function readSignature(script: LuaFile, modules: Map<string, LuaFile>): Signature {
  const keys: string[] = [];
  const args: Argument[] = [];
  for (const statement of script.body) {
    if (statement.type !== 'LocalStatement') continue;
    const name = nameOf((statement.variables as Node[])[0])!;
    const init = (statement.init as Node[])[0];
    const isNumber = init?.type === 'CallExpression' && nameOf(init.base as Node) === 'tonumber';
    const isOptional = init?.type === 'LogicalExpression' && stringOf(init.right as Node) === '';
    const slot = slotOf(isNumber ? (init.arguments as Node[])[0] : isOptional ? (init.left as Node) : init);
    if (slot?.table === 'KEYS') put(keys, slot.index, name, script.name);
    if (slot?.table !== 'ARGV') continue;
    if (!isOptional && args.at(-1)?.isOptional) throw new Error(`${script.name}: ${name} follows what may be left out`);
    put(args, slot.index, { name, isNumber, isOptional }, script.name);
  }
  return {
    name: script.name.replace(/\.lua$/, ''),
    doc: docOf(script),
    keys,
    args,
    replies: unique(readReplies(script, modules)),
  };
}

function slotOf(node: Node | undefined): { table: string; index: number } | undefined {
  if (node?.type !== 'IndexExpression') return undefined;
  const table = nameOf(node.base as Node);
  const index = (node.index as Node).value;
  return table !== undefined && typeof index === 'number' ? { table, index } : undefined;
}

function put<T>(list: T[], index: number, item: T, file: string): void {
  if (index !== list.length + 1) throw new Error(`${file}: KEYS and ARGV are named in order, without gaps`);
  list.push(item);
}

// The comment block at the head, under the shebang.
function docOf(script: LuaFile): string {
  const lines = script.text.split('\n').slice(1);
  const end = lines.findIndex((line) => !line.startsWith('--'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^-- ?/, ''))
    .join('\n');
}

function readReplies(script: LuaFile, modules: Map<string, LuaFile>): Reply[] {
  return returnsOf(script.body).flatMap((values) => repliesOf(values[0], script, script.body, modules));
}

// What one returned expression can answer: a table, a name that was given tables, or a library's refusal.
function repliesOf(node: Node | undefined, file: LuaFile, scope: Node[], modules: Map<string, LuaFile>): Reply[] {
  if (node?.type === 'TableConstructorExpression') return [replyOf(node, file)];
  // Packed (lua/lib/operation.lua): what is in it says the table that it was packed from, or the long way's.
  if (node?.type === 'BinaryExpression') return [];
  const call = node?.type === 'CallExpression' ? libraryCall(node, file, modules) : undefined;
  if (call) return returnsOf(call.body).flatMap((values) => repliesOf(values[0], call.file, call.body, modules));
  const name = nameOf(node);
  if (name === undefined) throw new Error(`${file.name}: a reply is a table, or a name that holds one`);
  const found: Reply[] = [];
  let isKnown = false;
  for (const { value, position } of assignmentsTo(name, scope)) {
    if (value.type === 'TableConstructorExpression' || value.type === 'BinaryExpression') {
      isKnown = true;
      found.push(...repliesOf(value, file, scope, modules));
    } else if (value.type === 'CallExpression') {
      const library = libraryCall(value, file, modules);
      if (!library) throw new Error(`${file.name}: ${name} comes from a call that the generator cannot follow`);
      for (const values of returnsOf(library.body)) {
        const refusal = values[position];
        if (!refusal || refusal.type === 'NilLiteral') continue;
        isKnown = true;
        found.push(...repliesOf(refusal, library.file, library.body, modules));
      }
    }
  }
  if (!isKnown) throw new Error(`${file.name}: nothing is known of the reply ${name}`);
  return found;
}

function replyOf(node: Node, file: LuaFile): Reply {
  const values = (node.fields as Node[]).map((field) => field.value as Node);
  const status = stringOf(values[0]);
  if (status === undefined) throw new Error(`${file.name}: a reply begins with its status, as a literal`);
  if (status === 'replayed') return { status, values: [] };
  return {
    status,
    values: values.slice(1).map((value) => {
      const path = memberPath(value);
      if (!path) throw new Error(`${file.name}: the values of '${status}' are names`);
      // `codes.bound.balance` is a bound.
      return path.length === 3 ? path[1]! : path.at(-1)!;
    }),
  };
}

function returnsOf(body: Node[]): Node[][] {
  const found: Node[][] = [];
  for (const statement of body) {
    if (statement.type === 'ReturnStatement') found.push(statement.arguments as Node[]);
    else if (statement.type === 'FunctionDeclaration') continue;
    else for (const inner of blocksOf(statement)) found.push(...returnsOf(inner));
  }
  return found;
}

function assignmentsTo(name: string, body: Node[]): { value: Node; position: number }[] {
  const found: { value: Node; position: number }[] = [];
  for (const statement of body) {
    if (statement.type === 'LocalStatement' || statement.type === 'AssignmentStatement') {
      const position = (statement.variables as Node[]).findIndex((variable) => nameOf(variable) === name);
      const inits = statement.init as Node[];
      if (position >= 0 && inits.length > 0) {
        const value = inits[position] ?? inits.at(-1)!;
        found.push({ value, position: position - Math.min(position, inits.length - 1) });
      }
    }
    for (const inner of blocksOf(statement)) found.push(...assignmentsTo(name, inner));
  }
  return found;
}

function blocksOf(statement: Node): Node[][] {
  if (statement.type === 'IfStatement') return (statement.clauses as Node[]).map((clause) => clause.body as Node[]);
  return Array.isArray(statement.body) && statement.type !== 'FunctionDeclaration' ? [statement.body as Node[]] : [];
}

// `wallets.open(…)` → the body of that function in the module behind `wallets`, which may be this very file.
function libraryCall(
  call: Node,
  file: LuaFile,
  modules: Map<string, LuaFile>,
): { file: LuaFile; body: Node[] } | undefined {
  const path = memberPath(call.base as Node);
  if (path?.length !== 2) return undefined;
  const requiring = file.body.find(
    (statement) => statement.type === 'LocalStatement' && nameOf((statement.variables as Node[])[0]) === path[0],
  );
  const init = (requiring?.init as Node[] | undefined)?.[0];
  const module = init?.type === 'TableConstructorExpression' ? file : modules.get(requiredModule(init) ?? '');
  const definition = module?.body.find(
    (statement) =>
      statement.type === 'FunctionDeclaration' && memberPath(statement.identifier as Node)?.at(-1) === path[1],
  );
  return module && definition ? { file: module, body: definition.body as Node[] } : undefined;
}

function unique(replies: Reply[]): Reply[] {
  const byStatus = new Map<string, Reply>();
  for (const reply of replies) {
    const known = byStatus.get(reply.status);
    if (known && known.values.join() !== reply.values.join()) {
      throw new Error(
        `'${reply.status}' is answered with different values: ${known.values.join()} and ${reply.values.join()}`,
      );
    }
    byStatus.set(reply.status, reply);
  }
  return [...byStatus.values()];
}
