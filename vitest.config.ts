// How the tests run: one Postgres for the run, a database and a Redis of its own for each file that asks.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/stores.setup.ts'],
    // Processes, not threads: a file may wait for, or kill, what it started without disturbing the others.
    pool: 'forks',
    // A test waits for timers of workers and gateways about half of its time: three fill a two-core machine.
    maxWorkers: 3,
    // Starting stores, recovery and drains take seconds on a busy machine; a test that hangs takes longer.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    teardownTimeout: 60_000,
    // The counts that `.ci/run` prints.
    ...(process.env['CI'] ? { reporters: ['default', 'json'], outputFile: { json: '.cache/test-report.json' } } : {}),
  },
});
