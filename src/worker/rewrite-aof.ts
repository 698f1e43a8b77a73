// Have Redis write its append-only file anew, from what it has in memory: the file may hold the first half of a torn script.
//
// Redis wraps what a script writes in MULTI and EXEC. A file that ends too early, because the machine went down or the disk was
// full, is loaded up to where it is whole, and shortened to that. Where it was cut decides what is left of it:
//
//   outside a script, or inside its MULTI   whole scripts
//   between two commands of a script        whole scripts: Redis goes back to before the MULTI
//   inside a command of a script            whole scripts, then MULTI and the script's commands up to there
//
// The last kind is not run, but stays in the file with the MULTI open, and nobody can tell from outside. All that is
// written behind it is queued at the next load, up to the next EXEC, and run then, the half of the torn script first; a file in which
// no EXEC follows goes back to before the MULTI, with what was written behind it.
//
// So before anything is acknowledged an EXEC must follow: that of the scripts which open the fences (recover.ts). From then on
// nothing is lost at the next start; and the half that comes to life counts for nothing. A wallet is written whole when it
// is first used in the next epoch, so that nothing builds on the half (lua/lib/seal.lua); one that is not used is ahead of the
// ledger there, and rebuilt. Records and late marks name their epoch, the stream of a sealed epoch is deleted behind the half,
// and deadlines are held against the wallet's holds.
//
// Hence nobody waits for the new file, which takes ten seconds with a million wallets. It is begun when all is open: Redis appends
// to another file from then on, and would refuse to start, once, if the one before that ended in an open MULTI.
import type { OutboxRedis } from '../outbox/read.ts';

/** Resolves when it has begun, or where Redis keeps no such file or does not let us. */
export async function rewriteAppendOnlyFile(redis: OutboxRedis): Promise<void> {
  if (!/^aof_enabled:1/m.test(String(await redis.call('INFO', ['persistence'])))) return;
  try {
    await redis.call('BGREWRITEAOF', []);
  } catch (error) {
    // Managed services forbid it; one that is under way will do.
    if (!(error instanceof Error && error.name === 'ReplyError')) throw error;
  }
}
