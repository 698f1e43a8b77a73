// Copies of a database as it stands, for trying many things from one state.
import { randomBytes } from 'node:crypto';
import postgresDriver from 'postgres';
import type { Postgres } from './postgres.ts';

export type Copies = {
  /** A new copy; its URL. */
  readonly make: () => Promise<string>;
  readonly drop: (url: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

const attemptsMax = 5;

/** Whoever is connected to it is thrown out once: Postgres copies what nobody uses. */
export async function copiesOf({ server }: Postgres, databaseUrl: string): Promise<Copies> {
  const admin = postgresDriver(server().url.replace(/[^/]*$/, 'postgres'), { max: 2, onnotice: () => {} });
  const source = nameOf(databaseUrl);
  const frozen = `${source}_frozen`;
  for (let attempt = 1; ; attempt += 1) {
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${source}`;
    try {
      await admin.unsafe(`create database ${frozen} template ${source}`);
      break;
    } catch (error) {
      if (attempt === attemptsMax) throw error;
    }
  }
  const drop = (name: string) => admin.unsafe(`drop database if exists ${name} with (force)`);
  return {
    make: async () => {
      const name = `${source}_${randomBytes(4).toString('hex')}`;
      await admin.unsafe(`create database ${name} template ${frozen}`);
      // Past the port: nothing is cut here, and it would carry every byte twice more.
      return server().url.replace(/[^/]*$/, name);
    },
    drop: async (url) => void (await drop(nameOf(url))),
    close: async () => {
      await drop(frozen);
      await admin.end({ timeout: 5 });
    },
  };
}

const nameOf = (url: string): string => new URL(url).pathname.slice(1);
