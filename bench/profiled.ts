// Loaded into a gateway before all else: SIGUSR2 begins a CPU profile, the next one ends it and writes it down.
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const samplingIntervalUs = 200;
const file = process.env['FAREBOX_PROFILE_FILE']!;
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: samplingIntervalUs });

let isOn = false;
process.on('SIGUSR2', () => void turn());

async function turn(): Promise<void> {
  isOn = !isOn;
  if (isOn) return session.post('Profiler.start');
  const { profile } = await session.post('Profiler.stop');
  // Whoever waits for the file finds it whole.
  writeFileSync(`${file}.part`, JSON.stringify(profile));
  renameSync(`${file}.part`, file);
}
