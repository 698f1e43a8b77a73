// Programs from Debian's and Ubuntu's packages, without root and without installing anything.
//
// apt works in a folder of ours: its lists, its downloads. It reads the system's sources and keys, and the
// system's list of installed packages, so that it fetches what is asked for and only the dependencies that
// are missing here. The packages are then unpacked side by side, like a small root file system.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type UnpackOptions = {
  /** Where downloads and unpacked packages are kept from run to run. */
  readonly cacheDir: string;
  readonly say?: (line: string) => void;
  /** Ends a download that nobody waits for any more. */
  readonly signal?: AbortSignal;
};

export type Unpacked =
  | {
      readonly status: 'unpacked';
      /** Stands for `/`: programs are in `usr/bin`. */
      readonly root: string;
      /** For LD_LIBRARY_PATH: the folders of the libraries that came along, perhaps none. */
      readonly libraryFolders: readonly string[];
    }
  | { readonly status: 'not_debian' }
  | { readonly status: 'failed'; readonly reason: string };

const UPDATE_BOUND_MS = 180_000;
const DOWNLOAD_BOUND_MS = 180_000;
const UNPACK_BOUND_MS = 60_000;
const UNFINISHED = 'unfinished-';

/**
 * Fetch the package `name` and unpack it into the cache, once. `also` names packages to unpack beside it even
 * where the system has them installed: those that hold the other end of one of its symlinks.
 */
export async function unpackDebianPackage(
  name: string,
  options: UnpackOptions & { readonly also?: readonly string[] },
): Promise<Unpacked> {
  const folder = resolve(options.cacheDir, 'debian', name);
  const root = join(folder, 'root');
  if (existsSync(root)) return { status: 'unpacked', root, libraryFolders: libraryFolders(root) };
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) return { status: 'not_debian' };
  options.say?.(`fetching the Debian package ${name} into ${folder}`);
  mkdirSync(folder, { recursive: true });
  removeAbandoned(folder);
  // In a folder of this call's own, and renamed when whole: several processes may do this at the same time.
  const work = mkdtempSync(join(folder, UNFINISHED));
  try {
    const failure = (await fetch([name, ...(options.also ?? [])], work, options.signal)) ?? (await unpack(work));
    if (failure !== null) return { status: 'failed', reason: failure };
    keep(join(work, 'root'), root);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { status: 'unpacked', root, libraryFolders: libraryFolders(root) };
}

/** Forget an unpacked package: the next call fetches it again. */
export function forgetDebianPackage(name: string, options: UnpackOptions): void {
  rmSync(resolve(options.cacheDir, 'debian', name), { recursive: true, force: true });
}

// What a killed run left: nobody works in such a folder for longer than all bounds together.
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith(UNFINISHED))) {
    const ageMs = Date.now() - statSync(join(folder, name)).mtimeMs;
    if (ageMs > 2 * (UPDATE_BOUND_MS + DOWNLOAD_BOUND_MS)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function keep(made: string, root: string): void {
  try {
    renameSync(made, root);
  } catch (error) {
    // Another process was first: its copy is as good.
    if (!existsSync(root)) throw error;
  }
}

async function fetch(
  names: readonly string[],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, part), { recursive: true });
  const config = join(folder, 'apt.conf');
  writeFileSync(config, aptConfig(folder));
  const apt = ['-c', config, '-q'];
  // One source that can't be reached is no reason to stop: the package may well come from another.
  const updated = await run('apt-get', [...apt, 'update'], UPDATE_BOUND_MS, signal);
  const install = ['install', '--reinstall', '--download-only', '--no-install-recommends', '--yes', ...names];
  const installed = await run('apt-get', [...apt, ...install], DOWNLOAD_BOUND_MS, signal);
  // Where the lists did not come, that is the reason, and `unable to locate` only what follows from it.
  return installed && (updated ?? installed);
}

// `#clear` keeps the system's own hooks out: they tidy folders that are not ours. Without a user to become,
// apt downloads as whoever runs it; root's apt would else turn into a user that can't enter a 0700 folder.
function aptConfig(folder: string): string {
  return `#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "${folder}/";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "${folder}/cache/";
APT::Sandbox::User "";
Debug::NoLocking "true";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
`;
}

async function unpack(folder: string): Promise<string | null> {
  const archives = join(folder, 'cache', 'archives');
  const packages = readdirSync(archives).filter((file) => file.endsWith('.deb'));
  if (packages.length === 0) return 'apt downloaded nothing';
  mkdirSync(join(folder, 'root'));
  for (const file of packages) {
    const failure = await run('dpkg-deb', ['-x', join(archives, file), join(folder, 'root')], UNPACK_BOUND_MS);
    if (failure !== null) return failure;
  }
  return null;
}

function libraryFolders(root: string): string[] {
  const parents = ['lib', 'usr/lib'].map((part) => join(root, part)).filter((parent) => existsSync(parent));
  return parents.flatMap((parent) => [
    parent,
    ...readdirSync(parent)
      .filter((entry) => entry.includes('-linux-'))
      .map((entry) => join(parent, entry)),
  ]);
}

/** Null when it went well, else its last line of complaint. */
function run(file: string, args: readonly string[], boundMs: number, signal?: AbortSignal): Promise<string | null> {
  return new Promise((done) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const child = spawn(file, args, {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: boundMs,
      killSignal: 'SIGKILL',
      ...(signal ? { signal } : {}),
    });
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-4_000);
    });
    child.once('error', (error) => done(error.message));
    child.once('close', (code) => {
      const last =
        complaints.split('\n').findLast((line) => line.startsWith('E:')) ?? complaints.trim().split('\n').at(-1);
      done(code === 0 ? null : last || `${file} ended with ${code ?? 'a timeout'}`);
    });
  });
}
