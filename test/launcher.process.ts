// The launcher as `npm start` runs it, but with the app at the path that is given.
import { run } from '../scripts/launcher/run.ts';

await run(process.argv[2] ?? '');
