// The campaign's Postgres: one for all trials, a database for each, behind a port that stays when it is killed.
import { randomBytes } from 'node:crypto';
import postgresDriver from 'postgres';
import { startSwitch, type Switch } from '../../test/faults/switch.ts';
import { migrate } from '../../src/db/migrate.ts';
import { startPostgres, type PostgresServer } from '../stores/postgres.ts';

export type Postgres = {
  /** Between Farebox and Postgres. */
  readonly port: Switch;
  readonly server: () => PostgresServer;
  /** As `kill -9` of its postmaster; and up again. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  /** Up again, should a trial that broke off have left it killed. */
  readonly mend: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const template = 'farebox_faults';
/** So that a limit on the size of files can meet tables before it meets the log. */
const walSegmentMb = 1;
const settings = { synchronous_commit: 'on' };

/**
 * `folder` is removed by whoever made it. No fsync, since processes are killed here and not machines; but a commit is
 * with the system before it is acknowledged, or a killed Postgres would take acknowledged ones along.
 */
export async function openPostgres(folder: string, say: (line: string) => void): Promise<Postgres> {
  const start = () =>
    startPostgres({ dataDir: folder, database: template, throwaway: true, walSegmentMb, settings, say });
  let isUp = true;
  let server = await start();
  await migrate(server.url);
  const port = await startSwitch(server.port);
  const restart = async () => {
    server = await start();
    isUp = true;
    port.leadTo(server.port);
  };
  return {
    port,
    server: () => server,
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
      isUp = false;
      port.cut();
    },
    restart,
    mend: async () => {
      if (!isUp) await restart();
    },
    stop: async () => {
      await port.stop();
      await server.stop();
    },
  };
}

/** A new one with the schema; its URL leads through the port. */
export async function createDatabase({ server, port }: Postgres): Promise<string> {
  const name = `faults_${randomBytes(6).toString('hex')}`;
  const admin = postgresDriver(server().url.replace(/[^/]*$/, 'postgres'), { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`create database ${name} template ${template}`);
  } finally {
    await admin.end({ timeout: 5 });
  }
  const url = new URL(server().url.replace(/[^/]*$/, name));
  url.port = String(port.port);
  return url.href;
}
