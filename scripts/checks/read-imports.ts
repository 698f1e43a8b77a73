// What a TypeScript file imports: static and dynamic imports, type-only ones, re-exports, `require`.
import { tokenize, type Token } from './tokenize.ts';

export type Import = {
  readonly line: number;
  /** Null where the program computes it. */
  readonly specifier: string | null;
};

export function readImports(source: string): Import[] {
  const tokens = tokenize(source);
  return tokens.flatMap((token, at) => {
    const specifier = token.kind === 'word' ? importAt(tokens, at) : undefined;
    return specifier === undefined ? [] : [{ line: token.line, specifier }];
  });
}

/** Undefined where nothing is imported. */
function importAt(tokens: readonly Token[], at: number): string | null | undefined {
  const word = tokens[at]!.value;
  const next = tokens[at + 1];
  // A property of that name imports nothing; and nor does `import.meta`, where `fromClause` finds no name.
  if (isSign(tokens[at - 1], '.')) return undefined;
  if ((word === 'import' || word === 'require') && isSign(next, '(')) {
    return isDeclared(tokens, at) ? undefined : onlyText(tokens, at + 2);
  }
  if (word === 'import' && next?.kind === 'text') return next.value;
  return word === 'import' || word === 'export' ? fromClause(tokens, at + 1) : undefined;
}

/** `require(name: string)`, in a class or a type, or behind `function`, declares one. */
function isDeclared(tokens: readonly Token[], at: number): boolean {
  const isTyped = isSign(tokens[at + 3], ':') || isSign(tokens[at + 3], '?');
  return tokens[at - 1]?.value === 'function' || (tokens[at + 2]?.kind === 'word' && isTyped);
}

function onlyText(tokens: readonly Token[], at: number): string | null {
  const argument = tokens[at];
  const isOnly = isSign(tokens[at + 1], ')') || isSign(tokens[at + 1], ',');
  return argument?.kind === 'text' && isOnly ? argument.value : null;
}

/** Behind `import` or `export`: the text that `from` names, if nothing but names comes before it. */
function fromClause(tokens: readonly Token[], start: number): string | undefined {
  for (let at = start; at < tokens.length; at++) {
    const token = tokens[at]!;
    const next = tokens[at + 1];
    if (token.kind === 'word' && token.value === 'from' && next?.kind === 'text') return next.value;
    const isOther = token.kind === 'word' ? /^(?:import|export)$/.test(token.value) : !'{},*'.includes(token.value);
    // A name may be a text: `export { "a b" as c }`.
    if (isOther && token.kind !== 'text') return undefined;
  }
  return undefined;
}

function isSign(token: Token | undefined, value: string): boolean {
  return token?.kind === 'sign' && token.value === value;
}
