// Read lua/lib/codes.lua as data: tables of whole numbers.
import { memberPath, type LuaFile, type Node } from './parse.ts';

export type Codes = { [name: string]: number | Codes };

export function readCodes(file: LuaFile | undefined): Codes {
  if (!file) throw new Error('lua/lib/codes.lua is missing');
  const codes: Codes = {};
  for (const statement of file.body) {
    if (statement.type !== 'AssignmentStatement') continue;
    const path = memberPath((statement.variables as Node[])[0]!);
    const init = (statement.init as Node[])[0];
    if (path?.length === 2 && init) codes[path[1]!] = valueOf(init);
  }
  return codes;
}

// The number that a path such as ['codes', 'kind', 'hold'] names.
export function lookUpCode(codes: Codes, path: string[]): number | undefined {
  let value: number | Codes | undefined = codes;
  for (const name of path.slice(1)) value = typeof value === 'object' ? value[name] : undefined;
  return typeof value === 'number' ? value : undefined;
}

function valueOf(node: Node): number | Codes {
  if (node.type === 'NumericLiteral') return node.value as number;
  if (node.type !== 'TableConstructorExpression')
    throw new Error(`codes.lua holds numbers and tables, not ${node.type}`);
  return Object.fromEntries(
    (node.fields as Node[]).map((field) => [(field.key as Node).name as string, valueOf(field.value as Node)]),
  );
}
