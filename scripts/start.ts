// `npm start`: Farebox with all it needs, on this machine, with nothing set up. For development and for trying it out.
import { fileURLToPath } from 'node:url';
import { run } from './launcher/run.ts';

await run(fileURLToPath(new URL('../src/main.js', import.meta.url)));
