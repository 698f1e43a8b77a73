// TypeScript as a list of tokens: enough to tell code from text, comments and regular expressions.
//
// The compiler offers no API for this (TypeScript 7). Only one thing about the language is hard: whether a `/`
// divides or begins a regular expression. What stands before it tells, except behind a block's `}`, where it is
// taken to divide: nobody begins a statement with a regular expression.

export type Token = {
  /** A `text` is a string or a template. */
  readonly kind: 'word' | 'text' | 'sign' | 'regex';
  /** Without quotes. A template comes in parts; one that a substitution follows ends with `${`. */
  readonly value: string;
  readonly line: number;
};

type Bracket = 'value' | 'condition' | 'substitution';

type Scan = {
  readonly source: string;
  readonly tokens: Token[];
  readonly open: Bracket[];
  at: number;
  line: number;
  /** Whether a value has just ended, so that a `/` divides it. */
  valueEnded: boolean;
};

export function tokenize(source: string): Token[] {
  const scan: Scan = { source, tokens: [], open: [], at: 0, line: 1, valueEnded: false };
  for (;;) {
    const skipped = take(scan, SKIPPED);
    if (skipped !== null) countLines(scan, skipped[0]);
    if (scan.at >= source.length) return scan.tokens;
    const isTaken = takeWord(scan) || takeQuoted(scan) || takeRegex(scan);
    if (!isTaken) takeSign(scan);
  }
}

const SKIPPED = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*)+/y;
const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*|\d[\w.]*/uy;
// A quote or a slash without its counterpart on the same line is taken for a sign.
const QUOTED = /'((?:[^'\\\n]|\\[\s\S])*)'|"((?:[^"\\\n]|\\[\s\S])*)"/y;
const REGEX = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const TEMPLATE_PART = /((?:[^`\\$]|\\[\s\S]|\$(?!\{))*)(`|\$\{|$)/y;

const BEFORE_VALUE = new Set(
  'return typeof instanceof in of new delete void throw case do else yield await extends'.split(' '),
);
const BEFORE_CONDITION = new Set(['if', 'while', 'for', 'with']);

function takeWord(scan: Scan): boolean {
  const word = take(scan, WORD)?.[0];
  if (word === undefined) return false;
  const isProperty = scan.tokens.at(-1)?.value === '.';
  add(scan, 'word', word, isProperty || !BEFORE_VALUE.has(word));
  return true;
}

function takeQuoted(scan: Scan): boolean {
  const quoted = take(scan, QUOTED);
  if (quoted === null) return false;
  add(scan, 'text', quoted[1] ?? quoted[2] ?? '', true);
  countLines(scan, quoted[0]);
  return true;
}

function takeRegex(scan: Scan): boolean {
  const regex = scan.valueEnded ? null : take(scan, REGEX);
  if (regex === null) return false;
  add(scan, 'regex', regex[0], true);
  return true;
}

function takeSign(scan: Scan): void {
  const sign = scan.source[scan.at++]!;
  if (sign === '`') return takeTemplatePart(scan);
  if (sign === '(' || sign === '[' || sign === '{') {
    const before = scan.tokens.at(-1)?.value ?? '';
    scan.open.push(sign === '(' && BEFORE_CONDITION.has(before) ? 'condition' : 'value');
  }
  const closed = sign === ')' || sign === ']' || sign === '}' ? scan.open.pop() : undefined;
  if (closed === 'substitution') return takeTemplatePart(scan);
  add(scan, 'sign', sign, closed === 'value');
}

function takeTemplatePart(scan: Scan): void {
  const [text = '', value = '', end] = take(scan, TEMPLATE_PART) ?? [];
  const goesOn = end === '${';
  if (goesOn) scan.open.push('substitution');
  add(scan, 'text', goesOn ? value + end : value, !goesOn);
  countLines(scan, text);
}

function take(scan: Scan, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = scan.at;
  const match = pattern.exec(scan.source);
  if (match !== null) scan.at = pattern.lastIndex;
  return match;
}

function add(scan: Scan, kind: Token['kind'], value: string, endsValue: boolean): void {
  scan.tokens.push({ kind, value, line: scan.line });
  scan.valueEnded = endsValue;
}

function countLines(scan: Scan, text: string): void {
  scan.line += text.split('\n').length - 1;
}
