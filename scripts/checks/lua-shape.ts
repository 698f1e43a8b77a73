// The shape of a script that moves money: read, decide, compute; `-- COMMIT`; write what is ready.
//
// Redis has no rollback: what fails between two writes leaves half of them. So nothing may happen between the first
// and the last write that can fail for a reason of ours: no arithmetic, no decision, no call but the writes. And no
// write may come before, hidden in a function or under another name: hence the rules about `redis`, `require` and
// `commit`. That the arguments are not nil, which the text can't show, is for the tests to find.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles } from './list-files.ts';
import { nodesOf, parseLua, pathOf, requiredBy, textOf, type Call, type Chunk, type Node } from './lua-syntax.ts';
import { outcomeOf, type Outcome } from './outcome.ts';

export type LuaFile = { readonly path: string; readonly source: string };

const LIBRARY = 'lua/lib/';
const WRITER = `${LIBRARY}commit.lua`;
// Allowed first lines: with flags where a script needs them.
const SHEBANG = /^#!lua(?: flags=([a-z-]+(?:,[a-z-]+)*))?$/;
// What a script may ask Redis. Any other command counts as a write.
const READS = new Set(
  `TIME EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME GET MGET STRLEN GETRANGE HGET HMGET HGETALL HKEYS HVALS HLEN
  HEXISTS HSTRLEN ZSCORE ZMSCORE ZRANGE ZCARD ZCOUNT ZRANK SISMEMBER SMISMEMBER SMEMBERS SCARD LLEN LRANGE LINDEX
  XLEN XRANGE XREVRANGE INFO`.split(/\s+/),
);
// Besides `call`: they move nothing.
const HARMLESS = /^redis\.(?:error_reply|status_reply|sha1hex|log|LOG_\w+)$/;

export async function luaShape(root: string): Promise<Outcome> {
  const paths = listFiles(root, 'lua', /\.lua$/);
  if (paths.length === 0) return { status: 'absent', what: 'lua/*.lua' };
  return outcomeOf(luaShapeFindings(paths.map((path) => ({ path, source: readFileSync(join(root, path), 'utf8') }))));
}

export function luaShapeFindings(files: readonly LuaFile[]): string[] {
  const modules = new Set(files.map((file) => file.path).filter((path) => path.startsWith(LIBRARY)));
  return files.flatMap((file) => {
    let chunk: Chunk;
    try {
      chunk = parseLua(file.source);
    } catch (error) {
      return [`${file.path}: ${(error as Error).message}`];
    }
    const nodes = chunk.body.flatMap((statement) => [...nodesOf(statement)]);
    const faults = [...nameFaults(nodes, modules), ...faultsByKind(file, chunk, nodes)];
    return faults.sort((a, b) => a.line - b.line).map(({ line, what }) => `${file.path}:${line}: ${what}`);
  });
}

type Fault = { readonly line: number; readonly what: string };

function faultsByKind(file: LuaFile, chunk: Chunk, nodes: readonly Node[]): Fault[] {
  if (file.path === WRITER) return writerFaults(nodes);
  return file.path.startsWith(LIBRARY) ? libraryFaults(nodes) : scriptFaults(file, chunk, nodes);
}

/** `redis` and `require` are called by their names: under another one, what they do would go unseen. */
function nameFaults(nodes: readonly Node[], modules: ReadonlySet<string>): Fault[] {
  const plain = new Set<Node>();
  const faults: Fault[] = [];
  for (const node of nodes) {
    if (node.type === 'MemberExpression' && HARMLESS.test(pathOf(node) ?? '')) plain.add(node.base);
    if (node.type !== 'CallExpression') continue;
    if (isRedisCall(node) && node.base.type === 'MemberExpression') plain.add(node.base.base);
    if (pathOf(node.base) !== 'require') continue;
    plain.add(node.base);
    const module = requiredBy(node);
    if (module === null) faults.push(at(node, '`require` takes the name of a file in lua/lib, as a text'));
    else if (!modules.has(`${LIBRARY}${module}.lua`)) faults.push(at(node, `there is no ${LIBRARY}${module}.lua`));
  }
  const stray = nodes.filter((node) => node.type === 'Identifier' && /^(?:redis|require)$/.test(node.name));
  const advice = 'is called by its own name: `redis.call(…)`, `require(…)`';
  return [...faults, ...stray.filter((node) => !plain.has(node)).map((node) => at(node, `${pathOf(node)} ${advice}`))];
}

function scriptFaults(file: LuaFile, chunk: Chunk, nodes: readonly Node[]): Fault[] {
  const flags = SHEBANG.exec(file.source.split('\n', 1)[0]!);
  const head = flags ? [] : [{ line: 1, what: 'the first line is `#!lua`, or `#!lua flags=…`' }];
  const marks = chunk.comments.filter((comment) => comment.value.trim() === 'COMMIT');
  const writes = [...nodes.filter(isWrite), ...commitUses(nodes)];
  if (flags?.[1]?.includes('no-writes'))
    head.push(...writes.map((node) => at(node, 'a write in a script without writes')));
  if (marks.length === 0) {
    return [...head, ...writes.slice(0, 1).map((node) => at(node, 'a write in a script that has no `-- COMMIT` line'))];
  }
  if (marks.length > 1) return [...head, at(marks[1]!, 'a second `-- COMMIT` line: there is one')];
  return [...head, ...commitFaults(marks[0]!.loc.start.line, chunk, writes)];
}

/** What stands on either side of the COMMIT line. */
function commitFaults(markLine: number, chunk: Chunk, writes: readonly Node[]): Fault[] {
  const around = chunk.body.find(({ loc }) => loc.start.line < markLine && markLine < loc.end.line);
  if (around) return [{ line: markLine, what: '`-- COMMIT` stands at the top level, not inside a block' }];
  const early = writes.filter((node) => node.loc.start.line < markLine);
  const statements = chunk.body.filter(({ loc }) => loc.start.line > markLine);
  const writers = statements.filter((statement) => isWriting(statement, chunk));
  return [
    ...early.map((node) => at(node, 'a write before COMMIT: what fails after it could not be taken back')),
    ...statements.flatMap((statement) => statementFaults(statement, chunk)),
    ...(writers.length === 0 ? [{ line: markLine, what: 'nothing is written after COMMIT' }] : []),
  ];
}

function statementFaults(statement: Node, chunk: Chunk): Fault[] {
  const values = isWriting(statement, chunk) ? statement.expression.arguments : null;
  if (values === null && statement.type !== 'ReturnStatement') {
    return [at(statement, 'after COMMIT stand only `commit(…)`, `redis.call` of a write, and `return`')];
  }
  const given = values ?? (statement.type === 'ReturnStatement' ? statement.arguments : []);
  const advice = 'after COMMIT all values are ready: names, fields and literals; compute this before';
  return given.flatMap(unreadyParts).map((node) => at(node, advice));
}

function isWriting(statement: Node, chunk: Chunk): statement is Extract<Node, { type: 'CallStatement' }> {
  if (statement.type !== 'CallStatement') return false;
  const call = statement.expression;
  return (isWrite(call) && commandOf(call) !== null) || commitNames(chunk.body).has(pathOf(call.base) ?? '');
}

/** The smallest parts of a value that are still to be worked out. */
function unreadyParts(value: Node): Node[] {
  switch (value.type) {
    case 'Identifier':
    case 'StringLiteral':
    case 'NumericLiteral':
    case 'BooleanLiteral':
    case 'NilLiteral':
      return [];
    case 'MemberExpression':
      return unreadyParts(value.base);
    case 'IndexExpression':
      return [...unreadyParts(value.base), ...unreadyParts(value.index)];
    case 'TableConstructorExpression':
      return value.fields.flatMap(unreadyParts);
    case 'TableValue':
    case 'TableKeyString':
      return unreadyParts(value.value);
    case 'TableKey':
      return [...unreadyParts(value.key), ...unreadyParts(value.value)];
    case 'UnaryExpression':
      return value.operator === '-' && value.argument.type === 'NumericLiteral' ? [] : [value];
    case 'BinaryExpression':
    case 'LogicalExpression':
    case 'CallExpression':
    case 'FunctionDeclaration':
    case 'VarargLiteral':
    case 'LocalStatement':
    case 'CallStatement':
    case 'ReturnStatement':
      return [value];
  }
}

/** A library function may be called before COMMIT, so none of them writes, or asks `commit` to. */
function libraryFaults(nodes: readonly Node[]): Fault[] {
  const commits = nodes.filter((node) => requiredBy(node) === 'commit');
  return [
    ...nodes.filter(isWrite).map((node) => at(node, `a write: of lua/lib, only ${WRITER} writes`)),
    ...commits.map((node) => at(node, 'only scripts require `commit`, to call it after their COMMIT line')),
  ];
}

const WRITER_CALLS = new Set(['redis.call', 'unpack', 'ipairs']);
const SAFE_OPERATORS = new Set(['==', '~=', 'and', 'or', 'not']);

/** All of it runs after COMMIT. It may skip what is absent and go through lists, but not work anything out. */
function writerFaults(nodes: readonly Node[]): Fault[] {
  return nodes.flatMap((node) => {
    const isOperation = node.type === 'BinaryExpression' || node.type === 'UnaryExpression';
    if (isOperation && !SAFE_OPERATORS.has(node.operator) && unreadyParts(node).length > 0) {
      return [at(node, `\`${node.operator}\` in what runs after COMMIT: work it out before`)];
    }
    if (node.type !== 'CallExpression') return [];
    if (!WRITER_CALLS.has(pathOf(node.base) ?? ''))
      return [at(node, 'commit calls only `redis.call`, `unpack` and `ipairs`')];
    return isRedisCall(node) && !isWrite(node) ? [at(node, 'a read after COMMIT: read before')] : [];
  });
}

function isRedisCall(node: Node): node is Call {
  return node.type === 'CallExpression' && pathOf(node.base) === 'redis.call';
}

/** A command that is not known to only read; one that the program computes may be any. */
function isWrite(node: Node): boolean {
  return isRedisCall(node) && !READS.has(commandOf(node) ?? '');
}

function commandOf(call: Call): string | null {
  return textOf(call.arguments[0])?.toUpperCase() ?? null;
}

type Naming = Extract<Node, { type: 'LocalStatement' }>;

/** `local commit = require('commit')`, and nothing else in that statement. */
function isNaming(node: Node): node is Naming {
  return node.type === 'LocalStatement' && node.variables.length === 1 && requiredBy(node.init[0]) === 'commit';
}

function commitNames(nodes: readonly Node[]): ReadonlySet<string> {
  return new Set(nodes.filter(isNaming).map((node) => node.variables[0]!.name));
}

/** Every use of `commit` but the statement that gives it its name. */
function commitUses(nodes: readonly Node[]): Node[] {
  const names = commitNames(nodes);
  const naming = new Set<Node>(nodes.filter(isNaming).flatMap((node) => [...node.variables, ...node.init]));
  const uses = nodes.filter(
    (node) => requiredBy(node) === 'commit' || (node.type === 'Identifier' && names.has(node.name)),
  );
  return uses.filter((node) => !naming.has(node));
}

function at(node: Pick<Node, 'loc'>, what: string): Fault {
  return { line: node.loc.start.line, what };
}
