// Postgres refuses to run as root: how to run it all the same.
//
// Root's projects often lie in folders that nobody else may enter (0700), so a plain user alone does not
// do: neither the data nor, with binaries from node_modules, the program can be reached. In this order,
// the first that works here:
//
//   setpriv   a plain user that keeps one capability: to pass by file permissions
//   unshare   a user namespace in which root bears a plain user's number; files stay root's
//   setuid    just a plain user; the data must then lie where it may enter, the system's temporary folder
//
// Who is not root needs none of it.
import { spawnSync } from 'node:child_process';
import { lchownSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Identity = { readonly uid: number; readonly gid: number };

export type Runner = {
  readonly how: 'plain' | 'setpriv' | 'unshare' | 'setuid';
  readonly command: (
    file: string,
    args: readonly string[],
  ) => { readonly file: string; readonly args: readonly string[] };
  /** Whom the process becomes by plain setuid; null: nothing to change. */
  readonly user: Identity | null;
  /** To whom its data must belong; null: to whoever makes it. */
  readonly owner: Identity | null;
  /** Whether it can enter any folder that we can. */
  readonly entersAnywhere: boolean;
};

/** The first way in which the program runs and exits with 0, and what it printed; null when there is none. */
export function findRunner(
  program: string,
  programArgs: readonly string[],
): { readonly runner: Runner; readonly printed: string } | null {
  for (const runner of possibleRunners()) {
    const { file, args } = runner.command(program, programArgs);
    const result = spawnSync(file, args, {
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      timeout: 10_000,
      ...(runner.user ? { uid: runner.user.uid, gid: runner.user.gid } : {}),
    });
    if (result.status === 0) return { runner, printed: result.stdout + result.stderr };
  }
  return null;
}

/** Give a folder and all in it to `owner`, where it is not already. */
export function giveTo(owner: Identity, folder: string): void {
  if (lstatSync(folder).uid === owner.uid) return;
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, entry), owner.uid, owner.gid);
  }
  // The folder itself last: an interrupted walk is then begun again.
  lchownSync(folder, owner.uid, owner.gid);
}

function possibleRunners(): Runner[] {
  if (process.getuid?.() !== 0) {
    return [{ how: 'plain', command: (file, args) => ({ file, args }), user: null, owner: null, entersAnywhere: true }];
  }
  const user = plainUser();
  if (user === null) return [];
  const setpriv = [
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    // access(2), by which Postgres looks for its own files, heeds a plain user's capabilities only under this bit.
    '--securebits=+no_setuid_fixup',
    '--',
  ];
  const unshare = ['--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--'];
  return [
    {
      how: 'setpriv',
      command: (file, args) => ({ file: 'setpriv', args: [...setpriv, file, ...args] }),
      user: null,
      owner: user,
      entersAnywhere: true,
    },
    {
      how: 'unshare',
      command: (file, args) => ({ file: 'unshare', args: [...unshare, file, ...args] }),
      user: null,
      owner: { uid: 0, gid: 0 },
      entersAnywhere: true,
    },
    { how: 'setuid', command: (file, args) => ({ file, args }), user, owner: user, entersAnywhere: false },
  ];
}

// It must be a user with a name: initdb looks itself up.
function plainUser(): Identity | null {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['nobody', 'postgres', 'daemon']) {
    const found = users.find((fields) => fields[0] === name);
    if (found?.[2] && found[3]) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  return null;
}
