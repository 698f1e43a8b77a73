// `npm run demo`: an hour of a real service's requests, paid from prepaid wallets, in a minute and a half.
//
// It does what an inference proxy does: hold the price of the prompt and of the longest allowed answer, wait for the
// model, settle what the answer really was. The model is a pause; everything else is real. By default it starts a
// gateway of its own, on stores of its own, and in the end lets the audit check every balance against the ledger.
import { runDemo } from './demo/run.ts';

await runDemo(process.argv.slice(2), process.env);
