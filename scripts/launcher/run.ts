// The launcher as a process: signals, its parent, what it prints, how it ends.
import { launch } from './launch.ts';
import { readSettings } from './settings.ts';

// How soon it is noticed that npm is gone.
const PARENT_POLL_MS = 500;

export async function run(main: string): Promise<void> {
  const stop = new AbortController();
  // Once is enough, and the same Ctrl-C may come twice: from the terminal, and passed on by npm. Every step of
  // stopping has a bound, so there is nothing to hurry by a second signal.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // Whoever read the output may leave before us.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  watchParent(stop);
  const say = (line: string) => console.log(line);
  try {
    await launch({ main, settings: readSettings(process.env), env: process.env, say, signal: stop.signal });
  } catch (error) {
    const isAdvice = error instanceof Error && error.name === 'Advice';
    console.error(isAdvice ? `farebox: ${error.message}` : error);
    process.exitCode = 1;
  }
  // The channels to children and the watch on the parent would keep it going.
  process.exit();
}

// npm passes a signal to the shell it started, and that shell dies of it alone, or of kill -9 without a word.
// By hand, with no npm above, a parent that leaves is usual: `node dist/scripts/start.js &`.
function watchParent(stop: AbortController): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stop.abort();
  }, PARENT_POLL_MS).unref();
}
