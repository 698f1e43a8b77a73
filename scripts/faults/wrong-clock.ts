// Loaded into a gateway or a worker before anything else (`node --import`): its clock is off, or stands still, as a file says.
//
// Date alone is changed; timers and `performance.now` are the system's monotonic clock, which nobody can set. The file is
// looked at every few milliseconds, so that a clock jumps while the program runs.
import { readFileSync } from 'node:fs';

/** What the file says, in JSON; an absent file: nothing is wrong. */
export type WrongClock = { readonly offsetMs: number; readonly isFrozen: boolean };

const lookIntervalMs = 20;
const file = process.env['FAREBOX_FAULTS_CLOCK'];
const TrueDate = Date;
let wrong: WrongClock = { offsetMs: 0, isFrozen: false };
let stoodAtMs = 0;

function look(): void {
  try {
    const said = JSON.parse(readFileSync(file ?? '', 'utf8')) as WrongClock;
    if (said.isFrozen && !wrong.isFrozen) stoodAtMs = TrueDate.now();
    wrong = said;
  } catch {
    // Not there, or half written: as before.
  }
}

const nowMs = (): number => (wrong.isFrozen ? stoodAtMs : TrueDate.now()) + wrong.offsetMs;

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [nowMs()] : args, newTarget) as Date,
  apply: () => new TrueDate(nowMs()).toString(),
  get: (target, name, receiver) => (name === 'now' ? nowMs : (Reflect.get(target, name, receiver) as unknown)),
});

if (file !== undefined) setInterval(look, lookIntervalMs).unref();
