// Parse Lua into a syntax tree with the few node shapes that the generator looks at.
import luaparse from 'luaparse';

export type Node = {
  type: string;
  range: [number, number];
  loc: { start: { line: number } };
} & Record<string, unknown>;

export type LuaFile = { name: string; shebang: string; text: string; body: Node[]; nodes: Node[] };

export function parseLua(text: string, name: string): LuaFile {
  // The shebang is Redis's, not Lua's: blanked out, so that positions stay.
  const plain = text.replace(/^#![^\n]*/, (line) => ' '.repeat(line.length));
  const chunk = luaparse.parse(plain, {
    luaVersion: '5.1',
    ranges: true,
    locations: true,
    comments: true,
  }) as {
    body: Node[];
  };
  const nodes: Node[] = [];
  collect(chunk.body, nodes);
  return { name, shebang: /^#!.*/.exec(text)?.[0] ?? '', text: plain, body: chunk.body, nodes };
}

function collect(value: unknown, nodes: Node[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, nodes);
  } else if (value !== null && typeof value === 'object') {
    if (typeof (value as Node).type === 'string') nodes.push(value as Node);
    for (const [key, child] of Object.entries(value)) if (key !== 'loc' && key !== 'range') collect(child, nodes);
  }
}

export function stringOf(node: Node | undefined): string | undefined {
  if (node?.type !== 'StringLiteral') return undefined;
  return (node.raw as string).slice(1, -1);
}

export function nameOf(node: Node | undefined): string | undefined {
  return node?.type === 'Identifier' ? (node.name as string) : undefined;
}

// `require('name')` → 'name'.
export function requiredModule(node: Node | undefined): string | undefined {
  if (node?.type !== 'CallExpression' || nameOf(node.base as Node) !== 'require') return undefined;
  return stringOf((node.arguments as Node[])[0]);
}

// `codes.kind.hold` → ['codes', 'kind', 'hold'].
export function memberPath(node: Node): string[] | undefined {
  if (node.type === 'Identifier') return [node.name as string];
  if (node.type !== 'MemberExpression') return undefined;
  const base = memberPath(node.base as Node);
  return base && [...base, (node.identifier as Node).name as string];
}
