// `npm run faults`: break what Farebox stands on, under load, and prove that no money was lost or spent twice.
import { runFaults } from './faults/run.ts';

await runFaults(process.argv.slice(2));
