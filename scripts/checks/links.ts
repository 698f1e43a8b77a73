// Links in Markdown: each relative one leads to a file that is there.
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { listFiles } from './list-files.ts';
import { outcomeOf, type Outcome } from './outcome.ts';

export async function links(root: string): Promise<Outcome> {
  const paths = listFiles(root, '.', /\.md$/);
  const isThere = (path: string) => existsSync(join(root, path));
  return outcomeOf(paths.flatMap((path) => linkFindings(path, readFileSync(join(root, path), 'utf8'), isThere)));
}

// `[text](target "title")`, `![…](<target>)`, `[label]: target`, and HTML's href and src.
const LINK = /\]\(\s*(?:<([^>]*)>|([^\s)]+))|^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)|\b(?:href|src)="([^"]*)"/gm;
const ELSEWHERE = /^(?:[a-z][a-z0-9+.-]*:|\/\/|#|$)/i;

export function linkFindings(path: string, markdown: string, isThere: (path: string) => boolean): string[] {
  const text = blankCode(markdown);
  return [...text.matchAll(LINK)].flatMap((match) => {
    const target = match.slice(1).find((part) => part !== undefined) ?? '';
    const file = decodeURI(target.replace(/[#?].*/, ''));
    const wanted = file.startsWith('/') ? file.slice(1) : posix.join(posix.dirname(path), file);
    if (ELSEWHERE.test(target) || isThere(wanted)) return [];
    const line = text.slice(0, match.index + match[0].indexOf(target)).split('\n').length;
    return [`${path}:${line}: the link leads to ${wanted}, which is not there`];
  });
}

/** What stands in code is no link. Lines stay where they are. */
function blankCode(markdown: string): string {
  const fences = /^( {0,3})(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}\2[`~]*[^\S\n]*$|(?![\s\S]))/gm;
  const blank = (code: string) => code.replace(/[^\n]/g, ' ');
  return markdown.replace(fences, blank).replace(/(?<!`)(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, blank);
}
