// A table in Markdown as rows of cells.

export type MarkdownTable = { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };

/** The first table whose first column has this heading, in whatever case. */
export function readTable(markdown: string, firstHeading: string): MarkdownTable | null {
  const lines = markdown.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|') && cellsOf(line)[0]?.toLowerCase() === firstHeading);
  if (start < 0) return null;
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  const [head, , ...rows] = lines.slice(start, end < 0 ? lines.length : end).map(cellsOf);
  return { head: head!.map((cell) => cell.toLowerCase()), rows };
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim());
}
