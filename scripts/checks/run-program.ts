// Run one of the project's development tools and take what it printed.
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

export type Ran = {
  /** Null when it was ended for taking too long. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type ProgramOptions = {
  /** The folder to run in. */
  readonly root: string;
  readonly env?: Readonly<Record<string, string>>;
};

// The slowest takes some ten seconds; one that waits for an answer would else wait for ever.
const BOUND_MS = 110_000;
// Colours are for people; npm's own settings, handed on, make some tools print warnings.
const PLAIN = { NO_COLOR: '1', FORCE_COLOR: '0' };

/** A tool that npm installed, by the name of its command. */
export function runTool(name: string, args: readonly string[], options: ProgramOptions): Promise<Ran> {
  return runProgram(resolve(join(options.root, 'node_modules', '.bin', name)), args, options);
}

export function runProgram(file: string, args: readonly string[], options: ProgramOptions): Promise<Ran> {
  return new Promise((done, fail) => {
    const env = { ...process.env, ...PLAIN, ...options.env };
    const child = spawn(file, args, {
      cwd: options.root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BOUND_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', fail);
    child.once('close', (exitCode) => done({ exitCode, stdout, stderr }));
  });
}

/** What a tool said, for a finding each: what it printed for its caller, else its complaints. */
export function printedLines({ exitCode, stdout, stderr }: Ran): string[] {
  const text = stdout.trim() === '' ? stderr : stdout;
  const lines = text.split('\n').map((line) => line.trimEnd());
  const said = lines.filter((line) => line !== '');
  if (exitCode === null) said.push(`it was ended after ${BOUND_MS / 1000} s`);
  return said.length > 0 ? said : [`it ended with ${exitCode} and said nothing`];
}
