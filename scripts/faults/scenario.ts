// What a scenario is: which world it takes, what it does to it under load, and what may be lost by it.
import type { Random } from '../../test/faults/seeded.ts';
import type { Part } from './options.ts';
import type { Request } from './history.ts';
import type { Long } from './load.ts';
import type { Pricing } from './pricing.ts';
import type { Violation } from './check/violation.ts';
import type { World, WorldOptions } from './world.ts';

export type Trial = {
  readonly world: World;
  readonly random: Random;
  readonly pricing: Pricing | undefined;
  /** One line for people. */
  readonly say: (line: string) => void;
  /** How many requests there were so far; and they themselves. */
  readonly asked: () => number;
  readonly requests: readonly Request[];
  /** In the short selection: a few of what there is instead of all. */
  readonly isBrief: boolean;
  /** Of the steps that are tried one by one. */
  readonly part: Part;
  /** What the scenario counts: kills, cuts, drops. */
  readonly count: (what: string, by?: number) => void;
  /** What is lost was acknowledged between these instants of `performance.now`, or others that are named so. */
  readonly mayLoseBetween: (fromMs: number, toMs: number) => void;
  /** What it finds wrong by itself. */
  readonly blame: (violation: Violation) => void;
};

export type Scenario = {
  readonly name: string;
  /** The row of the reliability table that it belongs to. */
  readonly fault: string;
  /** What must hold, in the table's words. */
  readonly mustHold: string;
  readonly world?: Partial<WorldOptions>;
  /** In the selection that continuous integration runs. */
  readonly isShort?: boolean;
  /** Acknowledged operations may be lost, if recovery reports them. */
  readonly mayLose?: boolean;
  /** Of them, none that was not marked `unconfirmed`. */
  readonly keepsConfirmed?: boolean;
  /** The load lasts for minutes: see Load. */
  readonly long?: Long;
  /** Nothing in it leaves an outcome in doubt. */
  readonly isCalm?: boolean;
  /** Before the load: prices and budgets, with which the load asks for events, too. */
  readonly prepare?: (world: World, customers: readonly string[]) => Promise<Pricing>;
  /** Runs beside the load, which goes on until it returns; `rounds` says how long a run is wanted. */
  readonly inject: (trial: Trial, rounds: number) => Promise<void>;
  /** Once the load has ended, and where `inject` has failed: make whole again what is still broken. */
  readonly heal?: (trial: Trial) => Promise<void>;
};
