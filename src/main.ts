#!/usr/bin/env node
// `farebox`: choose what to run, and stop it in order.
import { readConfig, type Config } from './config.ts';
import { openLog } from './log.ts';
import { runEnvironment } from './run/environment.ts';
import { runGateway } from './run/gateway.ts';
import { runKeys } from './run/keys.ts';
import { runMigrate } from './run/migrate.ts';
import { runMigrateCustomers } from './run/migrate-customers.ts';
import { runPrices } from './run/prices.ts';
import { runQuarantine } from './run/quarantine.ts';
import { runRateEvents } from './run/rate-events.ts';
import { runReconcile } from './run/reconcile.ts';
import { runWorker } from './run/worker.ts';

const usage = `farebox migrate                                     bring the database to this release, first start included
farebox gateway                                     decide: the HTTP API
farebox worker                                      drain, expire, keep the books
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
    migrate: runMigrate,
    gateway: (config) => serve(config, 'gateway'),
    worker: (config) => serve(config, 'worker'),
    environment: (config) => runEnvironment(config, args),
    keys: (config) => runKeys(config, args),
    prices: (config) => (args[0] === 'migrate' ? runMigrateCustomers(config, args.slice(1)) : runPrices(config, args)),
    events: (config) => runRateEvents(config, args),
    reconcile: (config) => runReconcile(config, args),
    quarantine: (config) => runQuarantine(config, args),
  };
  const chosen = commands[command];
  if (!chosen) return `there is no command '${command}'\n\n${usage}`;
  const read = readConfig(process.env);
  if (read.status === 'wrong') return `set ${read.problems.join('; ')}`;
  return chosen(read.config);
}

async function serve(config: Config, role: 'gateway' | 'worker'): Promise<string | undefined> {
  const log = openLog(config.logLevel, role);
  try {
    const running = await (role === 'gateway' ? runGateway(config, log) : runWorker(config, log));
    await stopRequested();
    await running.stop();
  } catch (error) {
    log.fatal({ error }, `${role} cannot go on`);
    process.exitCode = 1;
  }
  // What third parties left open must not keep a stopped process alive.
  process.exit();
}

// SIGTERM and Ctrl-C; and with the launcher above us, its end: nobody would stop us any more.
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
    process.once('disconnect', () => resolve());
  });
}
