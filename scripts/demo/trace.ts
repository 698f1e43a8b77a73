// The trace: when each request came, how long its prompt was, how long the answer became.
import { readFileSync } from 'node:fs';
import { advice } from '../stores/advice.ts';

export type Arrival = {
  /** Since the first one. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
};

/** In order of arrival. */
export function readTrace(file: string, requestsMax: number): Arrival[] {
  const [head, ...lines] = text(file).trim().split(/\r?\n/);
  if (head !== 'TIMESTAMP,ContextTokens,GeneratedTokens')
    throw advice(`${file} has other columns than the Azure trace`);
  const arrivals = lines.slice(0, requestsMax).map(parseLine);
  const firstMs = arrivals[0]?.atMs ?? 0;
  return arrivals.map((arrival) => ({ ...arrival, atMs: arrival.atMs - firstMs })).sort((a, b) => a.atMs - b.atMs);
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw advice(`no trace: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseLine(line: string, index: number): Arrival {
  const [time = '', prompt, answer] = line.split(',');
  // 2023-11-16 18:15:46.6805900
  const atMs = Date.parse(`${time.slice(0, 23).replace(' ', 'T')}Z`);
  const arrival = { atMs, promptTokens: Number(prompt), answerTokens: Number(answer) };
  if (!Object.values(arrival).every((value) => value >= 0)) throw advice(`line ${index + 2} of the trace: ${line}`);
  return arrival;
}
