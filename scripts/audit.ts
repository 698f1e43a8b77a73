// `npm run audit`: prove the ledger from Postgres alone, beside live traffic if need be.
import { runAudit } from './audit/run.ts';

await runAudit(process.env);
