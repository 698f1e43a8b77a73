// One line that tells how it goes: rewritten in place on a terminal, printed now and then otherwise.
import { percentile, type Tally, total } from './tally.ts';

const TERMINAL_INTERVAL_MS = 250;
const LOG_INTERVAL_MS = 5_000;

/** Back: how to end it. Nothing remains of the line on a terminal. */
export function showProgress(tally: Tally, requests: number, output: NodeJS.WriteStream): () => void {
  const { isTTY } = output;
  let seen = marks(tally);
  const show = () => {
    const now = marks(tally);
    const line = progressLine(tally, requests, seen, now);
    seen = now;
    if (isTTY) output.write(`\r\u001B[K${line.slice(0, Math.max(20, output.columns - 1))}`);
    else output.write(`${line}\n`);
  };
  const timer = setInterval(show, isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    if (isTTY) output.write('\r\u001B[K');
  };
}

type Marks = {
  readonly atMs: number;
  readonly sent: number;
  readonly authorizes: number;
  readonly settles: number;
};

function marks(tally: Tally): Marks {
  return {
    atMs: performance.now(),
    sent: tally.sent,
    authorizes: tally.authorizeMs.length,
    settles: tally.settleMs.length,
  };
}

function progressLine(tally: Tally, requests: number, from: Marks, to: Marks): string {
  const perSecond = ((to.sent - from.sent) * 1_000) / Math.max(1, to.atMs - from.atMs);
  const parts = [
    `${Math.floor((100 * tally.sent) / Math.max(1, requests))}%`,
    `${perSecond.toFixed(0)} requests/s`,
    `approved ${tally.approved}`,
    `declined ${total(tally.declined)}`,
    ...(tally.failed.size > 0 ? [`FAILED ${total(tally.failed)}`] : []),
    `authorize ${latency(tally.authorizeMs.slice(from.authorizes))}`,
    `settle ${latency(tally.settleMs.slice(from.settles))}`,
    `${tally.inFlight} under way`,
    ...(tally.behindMs > 0 ? [`${seconds(tally.behindMs)} behind`] : []),
  ];
  return parts.join(' · ');
}

/** `1.2/4.5 ms`: the median and the 99th percentile. */
export function latency(values: readonly number[]): string {
  const [median, slow] = [percentile(values, 50), percentile(values, 99)];
  return median === null || slow === null ? '–' : `${median.toFixed(1)}/${slow.toFixed(1)} ms`;
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
