// The audit as a process: the report on stdout, progress of a long run on stderr, and how it ends.
import { closeDatabase, openDatabase } from '../../src/db/connect.ts';
import { audit, type Progress } from './audit.ts';
import { findDatabase } from './find-database.ts';
import { reportText } from './report.ts';
import { findStripeBooks } from './stripe-books.ts';

// Where nobody watches, the report is enough until a run takes long.
const progressIntervalMs = { terminal: 500, other: 30_000 } as const;

/** Exit status: 0 the ledger is sound, 1 it is not, 2 the audit could not run. */
export async function runAudit(env: NodeJS.ProcessEnv): Promise<void> {
  try {
    // Between two fetches the session waits for us: never for as long as this.
    const sql = openDatabase(findDatabase(env), { connectionsMax: 1, name: 'audit', idleInTransactionMsMax: 600_000 });
    const progress = showProgress();
    try {
      const report = await audit(sql, progress.tell, findStripeBooks(env));
      progress.end();
      console.log(reportText(report));
      process.exitCode = report.isSound ? 0 : 1;
    } finally {
      progress.end();
      await closeDatabase(sql);
    }
  } catch (error) {
    console.error(`audit: could not run: ${reasonOf(error)}`);
    process.exitCode = 2;
  }
}

function showProgress(): { tell: (progress: Progress) => void; end: () => void } {
  const { isTTY } = process.stderr;
  const intervalMs = isTTY ? progressIntervalMs.terminal : progressIntervalMs.other;
  let toldAtMs = performance.now();
  let isShown = false;
  const clear = () => {
    if (isTTY && isShown) process.stderr.write('\r\x1b[K');
    isShown = false;
  };
  return {
    tell: ({ name, checked, unit }) => {
      if (performance.now() - toldAtMs < intervalMs) return;
      toldAtMs = performance.now();
      clear();
      const line = `audit: ${name}${checked > 0 ? `, ${checked.toLocaleString('en')} ${unit}` : ''}`;
      process.stderr.write(isTTY ? `${line} …` : `${line}\n`);
      isShown = true;
    },
    end: clear,
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && error.name !== 'Advice' ? `${error.message} (${String(error.code)})` : error.message;
}
