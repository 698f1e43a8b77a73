// Lua's syntax tree, as far as the shape rule looks at it: all that can be a value, and three statements.
import luaparse from 'luaparse';

type Placed = { readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } } };

export type Name = Placed & { readonly type: 'Identifier'; readonly name: string };
export type Member = Placed & { readonly type: 'MemberExpression'; readonly base: Node; readonly identifier: Name };
export type Call = Placed & {
  readonly type: 'CallExpression';
  readonly base: Node;
  readonly arguments: readonly Node[];
};

export type Node =
  | Name
  | Member
  | Call
  | (Placed & { readonly type: 'StringLiteral'; readonly raw: string })
  | (Placed & { readonly type: 'NumericLiteral' | 'BooleanLiteral' | 'NilLiteral' | 'VarargLiteral' })
  | (Placed & { readonly type: 'IndexExpression'; readonly base: Node; readonly index: Node })
  | (Placed & { readonly type: 'TableConstructorExpression'; readonly fields: readonly Node[] })
  | (Placed & { readonly type: 'TableValue' | 'TableKeyString'; readonly value: Node })
  | (Placed & { readonly type: 'TableKey'; readonly key: Node; readonly value: Node })
  | (Placed & { readonly type: 'UnaryExpression'; readonly operator: string; readonly argument: Node })
  | (Placed & { readonly type: 'BinaryExpression' | 'LogicalExpression'; readonly operator: string })
  | (Placed & { readonly type: 'FunctionDeclaration' })
  | (Placed & { readonly type: 'LocalStatement'; readonly variables: readonly Name[]; readonly init: readonly Node[] })
  | (Placed & { readonly type: 'CallStatement'; readonly expression: Call })
  | (Placed & { readonly type: 'ReturnStatement'; readonly arguments: readonly Node[] });

export type Chunk = {
  readonly body: readonly Node[];
  readonly comments: readonly (Placed & { readonly value: string })[];
};

export function parseLua(source: string): Chunk {
  // The first line is for Redis. Blanked out, so that positions stay.
  const lua = source.replace(/^#!.*/, (line) => ' '.repeat(line.length));
  const options = { luaVersion: '5.1', comments: true, locations: true, onCreateNode: parenthesize };
  return luaparse.parse(lua, options) as Chunk;
}

type LoneCall = { type: string; arguments?: unknown; argument?: unknown };

/** Make a call without parentheses, `f 'text'` or `f { … }`, a call like any other. */
function parenthesize(node: LoneCall): void {
  if (node.type !== 'TableCallExpression' && node.type !== 'StringCallExpression') return;
  node.type = 'CallExpression';
  node.arguments = [node.arguments ?? node.argument];
  delete node.argument;
}

/** The node and all below it, but for names that stand for fields: `redis` in `a.redis` or `{ redis = 1 }`. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const [part, value] of Object.entries(node) as [string, unknown][]) {
    const isFieldName =
      (node.type === 'MemberExpression' && part === 'identifier') || (node.type === 'TableKeyString' && part === 'key');
    if (isFieldName) continue;
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isNode(child)) yield* nodesOf(child);
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** `'SET'` → SET. */
export function textOf(node: Node | undefined): string | null {
  return node?.type === 'StringLiteral' ? node.raw.slice(1, -1) : null;
}

/** `redis.call` → redis.call; null for what is not names alone. */
export function pathOf(node: Node): string | null {
  if (node.type === 'Identifier') return node.name;
  if (node.type !== 'MemberExpression') return null;
  const base = pathOf(node.base);
  return base === null ? null : `${base}.${node.identifier.name}`;
}

/** `require('holds')` → holds. */
export function requiredBy(node: Node | undefined): string | null {
  return node?.type === 'CallExpression' && pathOf(node.base) === 'require' ? textOf(node.arguments[0]) : null;
}
