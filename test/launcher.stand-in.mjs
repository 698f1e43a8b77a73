// Stands in for the app where a test needs it to misbehave: it answers, or fails, as the file `$FAREBOX_DATA_DIR/mood` says.
import { existsSync, readFileSync, appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [subcommand] = process.argv.slice(2);
const folder = process.env.FAREBOX_DATA_DIR;
const moodFile = join(folder, 'mood');
const mood = existsSync(moodFile) ? readFileSync(moodFile, 'utf8').trim() : '';
const { DATABASE_URL, REDIS_URL, FAREBOX_BOOTSTRAP_KEY } = process.env;
appendFileSync(
  join(folder, 'ran'),
  `${JSON.stringify({ subcommand, pid: process.pid, DATABASE_URL, REDIS_URL, FAREBOX_BOOTSTRAP_KEY })}\n`,
);

if (mood === `${subcommand} fails`) {
  console.log(JSON.stringify({ level: 60, msg: `the ${subcommand} cannot`, err: { message: 'for a reason' } }));
  process.exit(3);
}
if (subcommand !== 'migrate') {
  const stop = () => process.exit(0);
  process.on('SIGTERM', mood === `${subcommand} ignores` ? () => {} : stop);
  process.on('disconnect', mood === `${subcommand} ignores` ? () => {} : stop);
  setInterval(() => {}, 1_000);
}
if (subcommand === 'gateway') {
  createServer((request, response) => {
    response.statusCode = request.url === '/readyz' && mood !== 'never ready' ? 200 : 503;
    response.end(JSON.stringify({ url: request.url }));
  }).listen(Number(process.env.PORT), process.env.HOST);
}
