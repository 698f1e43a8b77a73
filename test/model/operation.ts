// What every call has in common: a repeat is answered alike, what is due comes first, a refusal changes nothing.
import { draftOf, type Draft, type ModelEntry } from './draft.ts';
import { applyDueEvents } from './money.ts';
import type { Reply, World } from './wallet.ts';

export type Operation = { id: string; fingerprint: string };

/** `main`: the position, in `entries`, of the one that the caller asked for. */
export type Outcome = { world: World; reply: Reply; entries: ModelEntry[]; main: number | undefined };

export type Decision =
  /** Nothing is written; a decline of a repeat is remembered all the same. */
  | { status: 'refused'; reply: Reply; names: 'version' | 'nothing'; remember: boolean }
  /** `isMain`: an entry, the last one or the settle, answers the caller; it is remembered. */
  | {
      status: 'done';
      reply: Reply;
      isMain: boolean;
      versioned: boolean;
      main: number | undefined;
      late?: string;
      /** Behind its numbers. */
      texts?: Texts;
      /** The one that it names, where other entries follow. */
      version?: number;
    };
type Texts = { legsText: string; toldText?: string; linesText?: string };

/** A refusal. Decisions name the wallet's version, and where the partition stands. */
export function refused(reply: Reply, names: 'version' | 'nothing' = 'version', remember = false): Decision {
  return { status: 'refused', reply, names, remember };
}

export function done(
  reply: Reply,
  how: { isMain?: boolean; versioned?: boolean; main?: number; late?: string; texts?: Texts; version?: number } = {},
): Decision {
  const { isMain = true, versioned = true, main, ...rest } = how;
  return { status: 'done', reply, isMain, versioned, main, ...rest };
}

export function perform(
  world: World,
  operation: Operation,
  work: (draft: Draft) => Decision,
  { leavesDue = false } = {},
): Outcome {
  const known = world.remembered.get(operation.id);
  if (known) {
    const isSame = known.fingerprint === operation.fingerprint;
    return unchanged(world, isSame ? { ...known.reply, replayed: true } : { status: 'conflict' });
  }
  const draft = draftOf(world);
  if (!leavesDue && !applyDueEvents(draft).isAll) return unchanged(world, { status: 'due' });
  const decision = work(draft);
  if (decision.status === 'refused') {
    const { version } = world.wallet;
    const { epoch, seq } = world;
    const reply = decision.names === 'version' ? { ...decision.reply, version, epoch, seq } : decision.reply;
    const remembered = decision.remember ? remember(world, operation, reply) : world.remembered;
    return unchanged({ ...world, remembered }, reply);
  }
  const { entries, wallet, epoch } = draft;
  const seq = world.seq + entries.length;
  const reply = {
    ...decision.reply,
    ...(decision.versioned ? { version: decision.version ?? wallet.version } : {}),
    ...{ epoch, seq },
    ...decision.texts,
  };
  return {
    reply,
    entries,
    main: decision.isMain ? (decision.main ?? entries.length - 1) : undefined,
    world: {
      ...world,
      wallet,
      seq,
      remembered: decision.isMain ? remember(world, operation, reply) : world.remembered,
      settledLate: decision.late === undefined ? world.settledLate : new Set([...world.settledLate, decision.late]),
    },
  };
}

function unchanged(world: World, reply: Reply): Outcome {
  return { world, reply, entries: [], main: undefined };
}

function remember(world: World, { id, fingerprint }: Operation, reply: Reply): World['remembered'] {
  return new Map([...world.remembered, [id, { fingerprint, reply }]]);
}
