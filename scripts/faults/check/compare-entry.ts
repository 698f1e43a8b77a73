// Whether the ledger's entry is the model's, part by part.
import type { ModelEntry } from '../../../test/model/draft.ts';
import { codes } from '../../../src/codes.gen.ts';
import type { LedgerEntry } from './ledger-entry.ts';

/** A line for each part that differs; none: they are the same. */
export function entryDifferences(model: ModelEntry | undefined, entry: LedgerEntry | undefined): string[] {
  if (!entry) return [`the model goes on with ${model?.kind ?? 'nothing'} at version ${model?.version ?? '?'}`];
  if (!model) return [`the model makes no ${entry.kind}${entry.operationId === null ? '' : ' of it'}`];
  const [expected, found] = [partsOfModel(model), partsOfLedger(entry)];
  return Object.keys(expected).flatMap((name) => {
    const [is, was] = [found[name] ?? '', expected[name] ?? ''];
    return is === was ? [] : [`${name}: the ledger has ${is || 'nothing'}, the model ${was || 'nothing'}`];
  });
}

type Parts = Record<string, string>;

function partsOfModel({ kind, late, freeze, version, atMs, legs, moves, grant, hold }: ModelEntry): Parts {
  const change = (transfers: ModelEntry['legs'][number]['transfers']) =>
    transfers.reduce(
      (sum, { debit, credit, atoms }) => sum + (isOwn(credit) ? atoms : 0n) - (isOwn(debit) ? atoms : 0n),
      0n,
    );
  return {
    kind,
    ...flags(late, freeze, version, atMs),
    account: legs
      .map(({ asset, transfers, after: { available, held, overage, scheduled } }) =>
        text([asset, change(transfers), available, held, overage, scheduled]),
      )
      .join('; '),
    moves: movesText(moves),
    grant: grant
      ? text([
          ...[grant.no, grant.state, grant.purpose, grant.priority, grant.asset, grant.amount, grant.effectiveAtMs],
          ...[grant.expiresAtMs === codes.never_ms ? 'never' : grant.expiresAtMs, grant.createdAtMs],
        ])
      : '',
    hold: hold ? holdText(legsOf(hold)) : '',
  };
}

function partsOfLedger(entry: LedgerEntry): Parts {
  const { kind, late, freeze, version, atMs, assets, amounts, available, held, overage, scheduled, grant, hold } =
    entry;
  return {
    kind,
    ...flags(late, freeze, version, atMs),
    account: assets
      .map((asset, i) => text([asset, amounts[i], available[i], held[i], overage[i], scheduled[i]]))
      .join('; '),
    moves: movesText(entry.moves),
    grant: grant
      ? text([
          ...[grant.no, grant.state, grant.purpose, grant.priority, grant.asset, grant.amount, grant.effectiveAtMs],
          ...[grant.expiresAtMs ?? 'never', grant.createdAtMs],
        ])
      : '',
    hold: hold ? holdText(hold) : '',
  };
}

const isOwn = (account: string): boolean => account === 'available' || account === 'held' || account === 'overage';
const text = (values: unknown[]): string => values.map(String).join(' ');

function flags(late: boolean, freeze: string, version: number, atMs: number): Parts {
  return { late: String(late), freeze, version: String(version), at: String(atMs) };
}

function movesText(moves: LedgerEntry['moves']): string {
  return [...moves]
    .sort((a, b) => a.grantNo - b.grantNo)
    .map(({ grantNo, remaining, held }) => `${grantNo}: ${remaining} ${held}`)
    .join(', ');
}

function holdText(hold: NonNullable<LedgerEntry['hold']>): string {
  const { ref, status, createdAtMs, expiresAtMs, legs, taken } = hold;
  const sources = taken.map(({ grantNo, atoms }) => `${atoms} of ${grantNo}`).join(', ');
  return `${text([ref, status, createdAtMs, expiresAtMs])}: ${legs.map(text).join('; ')} (${sources})`;
}

function legsOf({ hold, status }: NonNullable<ModelEntry['hold']>): NonNullable<LedgerEntry['hold']> {
  const { ref, createdAtMs, expiresAtMs, legs } = hold;
  return {
    ...{ ref, status, createdAtMs, expiresAtMs },
    legs: legs.map((leg) => [leg.asset, leg.amount, leg.held, leg.settled, leg.released, leg.num, leg.den]),
    taken: legs.flatMap(({ taken }) => taken),
  };
}
