// `npm run faults -- --planted`: each deliberate bug, switched on alone, and the checks that caught it.
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { advice } from '../../stores/advice.ts';
import type { FaultsOptions } from '../options.ts';
import type { Postgres } from '../postgres.ts';
import { runTrial } from '../run-trial.ts';
import { scenarios } from '../scenarios/all.ts';
import { plant, whyNotPlanted } from './plant.ts';
import { plantedFaults, type PlantedFault } from './planted-faults.ts';

/** `--planted --list`: each bug and its scenario, and why one cannot be planted. False when there is such a one. */
export function listPlanted(): boolean {
  const unplanted = plantedFaults.flatMap((planted) => whyNot(planted) ?? []);
  for (const { name, scenario } of plantedFaults) say(`${scenario.padEnd(24)}${name}`);
  say(unplanted.length === 0 ? `all ${plantedFaults.length} apply` : `\nNOT PLANTED\n${unplanted.join('\n')}`);
  return unplanted.length === 0;
}

function whyNot({ name, scenario, changes }: PlantedFault): string | undefined {
  const isKnown = scenarios.some((one) => one.name === scenario);
  const reason = isKnown ? whyNotPlanted(changes) : `there is no scenario ${scenario}`;
  return reason && `${name}: ${reason}`;
}

const say = (line: string) => console.log(line);

/** What is broken stays broken: no use in waiting as long as for what heals. */
const patienceMs = 8_000;
/** A busy machine does little in a run; each further one is three times as long, and of another seed. */
const triesMax = 3;
const caughtShareLeast = 0.95;

/** True when enough were caught. `--only` takes parts of their names. */
export async function runPlanted(options: FaultsOptions, folder: string, postgres: Postgres): Promise<boolean> {
  const chosen = plantedFaults.filter(
    ({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
  );
  say(`seed ${options.seed}: ${chosen.length} deliberate bugs`);
  // Before the first one runs: what is not planted would survive for nothing.
  const unplanted = chosen.flatMap((planted) => whyNot(planted) ?? []);
  if (unplanted.length > 0) throw advice(`these bugs do not apply any more:\n${unplanted.join('\n')}`);
  const survivors: string[] = [];
  for (const [no, planted] of chosen.entries()) {
    let checks: string[] = [];
    let tries = 0;
    for (; checks.length === 0 && tries < triesMax; tries += 1) {
      const { seed, rounds } = options;
      const own = { ...options, seed: seed + no + 1_000 * tries, rounds: rounds * 3 ** tries };
      checks = await checksThatCatch(planted, { options: own, no, folder, postgres });
    }
    if (checks.length === 0) survivors.push(planted.name);
    const how = `${checks.join(', ') || 'by nothing'}${tries > 1 ? `, in run ${tries}` : ''}`;
    say(`${checks.length === 0 ? 'SURVIVED' : 'caught  '}  ${planted.name} (${planted.scenario}): ${how}`);
  }
  const caught = chosen.length - survivors.length;
  say(
    `\nplanted: ${caught} of ${chosen.length} caught${survivors.length > 0 ? `; survivors: ${survivors.join('; ')}` : ''}`,
  );
  return caught >= chosen.length * caughtShareLeast;
}

async function checksThatCatch(
  { name, scenario: wanted, changes }: PlantedFault,
  { options, no, folder, postgres }: { options: FaultsOptions; no: number; folder: string; postgres: Postgres },
): Promise<string[]> {
  const scenario = scenarios.find((one) => one.name === wanted);
  if (!scenario) throw new Error(`${name} wants a scenario ${wanted}, and there is none`);
  const { seed, rounds, keep } = options;
  const program = join(folder, `bug-${no}`);
  const main = plant(program, changes);
  try {
    const own = { scenario, seed, rounds, keep, postgres, folder, say, patienceMs, world: { main } };
    const { violations } = await runTrial(own);
    if (keep)
      for (const { check, who, what } of violations.slice(0, 3)) say(`    ${check}: ${who}: ${what}`.slice(0, 300));
    return [...new Set(violations.map(({ check }) => check))];
  } catch (error) {
    // It does not even come up: so it says nothing about the checks.
    say(`    did not run: ${String(error).split('\n', 1)[0]}`);
    return [];
  } finally {
    rmSync(program, { recursive: true, force: true });
  }
}
