#!/usr/bin/env node
// `farebox`: choose what to run, and stop it in order. What is not run is not loaded: a parent of several stays small.
import { parseArgs } from 'node:util';
import { readConfig, type Config } from './config.ts';
import { openLog, type Log } from './log.ts';
import { outliveParent, processNo, tellStarted } from './run/siblings.ts';

const usage = `farebox migrate                                     bring the database to this release, first start included
farebox gateway [--processes 4]                     decide: the HTTP API
farebox worker [--processes 2]                      drain, expire, keep the books
farebox environment create <name> --mode test|live  a new environment and its first key
farebox environment list
farebox environment stripe <id> < file               give it Stripe's keys
farebox keys create <name> --scopes a,b [--environment <id>]
farebox keys list [--environment <id>]
farebox keys revoke <key id> [--environment <id>]
farebox prices import <product> [--provider a,b] [--model a,b] [--markup 1.2] …
                                                    a draft from a list of what models cost
farebox prices diff <product> …                     what it would change
farebox prices migrate <product> --from 1 --to 2 [--dry-run]
                                                    its customers to another version
farebox events rate [--customer <id>]               charge what had no price when it came
farebox reconcile <customer> [--environment <id>]   a wallet in Redis and in the ledger, side by side
farebox reconcile <customer> --take ledger --yes    rebuild it from the ledger, and lift its freeze
farebox quarantine list                             what the ledger did not take
farebox quarantine show <id>
farebox quarantine replay <id or customer>          try it again, once its cause is mended
farebox quarantine reject <id or customer> --yes    give it up; it is kept, and its wallet is rebuilt

DATABASE_URL and REDIS_URL say where; README has the other variables.`;

const [command, ...args] = process.argv.slice(2);
const problem = await run();
if (problem !== undefined) {
  process.stderr.write(`farebox: ${problem}\n`);
  // Those whose 1 says what they found.
  process.exitCode = command === 'reconcile' || command === 'quarantine' ? 2 : 1;
}

async function run(): Promise<string | undefined> {
  if (command === undefined || command === 'help' || command === '--help') {
    process.stdout.write(`${usage}\n`);
    return undefined;
  }
  const commands: Record<string, (config: Config) => Promise<string | undefined>> = {
    migrate: async (config) => (await import('./run/migrate.ts')).runMigrate(config),
    gateway: (config) => serve(config, 'gateway'),
    worker: (config) => serve(config, 'worker'),
    environment: async (config) => (await import('./run/environment.ts')).runEnvironment(config, args),
    keys: async (config) => (await import('./run/keys.ts')).runKeys(config, args),
    prices: async (config) =>
      args[0] === 'migrate'
        ? (await import('./run/migrate-customers.ts')).runMigrateCustomers(config, args.slice(1))
        : (await import('./run/prices.ts')).runPrices(config, args),
    events: async (config) => (await import('./run/rate-events.ts')).runRateEvents(config, args),
    reconcile: async (config) => (await import('./run/reconcile.ts')).runReconcile(config, args),
    quarantine: async (config) => (await import('./run/quarantine.ts')).runQuarantine(config, args),
  };
  const chosen = commands[command];
  if (!chosen) return `there is no command '${command}'\n\n${usage}`;
  const given = command === 'gateway' || command === 'worker' ? processesGiven() : {};
  if (typeof given === 'string') return given;
  const read = readConfig({ ...process.env, ...given });
  if (read.status === 'wrong') return `set ${read.problems.join('; ')}`;
  return chosen(read.config);
}

/** What is said here goes before the variable; a text says what is wrong. */
function processesGiven(): { FAREBOX_PROCESSES?: string } | string {
  try {
    const { processes } = parseArgs({ args, options: { processes: { type: 'string' } } }).values;
    return processes === undefined ? {} : { FAREBOX_PROCESSES: processes };
  } catch (error) {
    return (error as Error).message;
  }
}

async function serve(config: Config, role: 'gateway' | 'worker'): Promise<string | undefined> {
  const log = openLog(config.logLevel, role, processNo);
  try {
    if (config.processes > 1 && processNo === undefined) await serveBySeveral(config, role, log);
    else await serveAlone(config, role, log);
  } catch (error) {
    log.fatal({ error }, `${role} cannot go on`);
    process.exitCode = 1;
  }
  // What third parties left open must not keep a stopped process alive.
  process.exit();
}

async function serveAlone(config: Config, role: 'gateway' | 'worker', log: Log): Promise<void> {
  outliveParent();
  const running =
    role === 'gateway'
      ? await (await import('./run/gateway.ts')).runGateway(config, log)
      : await (await import('./run/worker.ts')).runWorker(config, log);
  tellStarted();
  await stopRequested();
  await running.stop();
}

async function serveBySeveral(config: Config, role: 'gateway' | 'worker', log: Log): Promise<void> {
  const { runProcesses } = await import('./run/processes.ts');
  const stop = new AbortController();
  void stopRequested().then(() => stop.abort());
  if (!(await runProcesses({ role, count: config.processes, log, stop: stop.signal }))) process.exitCode = 1;
}

// SIGTERM and Ctrl-C; and the end of who started us, if that is the launcher or a parent: nobody would stop us any more.
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    // Not once: a supervisor may tell all processes, and a parent tells its own again.
    process.on('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
    process.once('disconnect', () => resolve());
    // It may have ended while we started.
    if (process.send && !process.connected) resolve();
  });
}
