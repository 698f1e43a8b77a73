// The assets of each environment, by code and by number, kept in the process: what an asset is never changes.
//
// So only a miss asks the ledger, and a code that was just created elsewhere is found by the first request that names
// it. Misses that come together share one question; one that comes while a question is out asks again, since
// that answer may be older than the asset.
import type { Asset } from '../records.ts';
import type { Ledger } from './deps.ts';

type Found = Asset | undefined;

export type Assets = {
  byCode: (environmentId: string, code: string) => Found | Promise<Found>;
  byNumber: (environmentId: string, number: number) => Found | Promise<Found>;
};

type Known = { byCode: Map<string, Asset>; byNumber: Map<number, Asset> };

export function cachedAssets(ledger: Pick<Ledger, 'listAssets'>): Assets {
  const environments = new Map<string, Known>();
  const asking = new Map<string, Promise<Known>>();
  const waiting = new Map<string, Promise<Known>>();

  const ask = (environmentId: string): Promise<Known> => {
    const asked = ledger.listAssets(environmentId).then((assets) => {
      const known: Known = {
        byCode: new Map(assets.map((asset) => [asset.code, asset])),
        byNumber: new Map(assets.map((asset) => [asset.number, asset])),
      };
      environments.set(environmentId, known);
      return known;
    });
    const done = asked.finally(() => asking.delete(environmentId));
    asking.set(environmentId, done);
    return done;
  };

  /** An answer to a question that is asked from now on. */
  const refresh = (environmentId: string): Promise<Known> => {
    const current = asking.get(environmentId);
    if (!current) return ask(environmentId);
    const next = waiting.get(environmentId);
    if (next) return next;
    const after = current
      .catch(() => undefined)
      .then(() => {
        waiting.delete(environmentId);
        return ask(environmentId);
      });
    waiting.set(environmentId, after);
    return after;
  };

  return {
    byCode: (environmentId, code) =>
      environments.get(environmentId)?.byCode.get(code) ??
      refresh(environmentId).then((known) => known.byCode.get(code)),
    byNumber: (environmentId, number) =>
      environments.get(environmentId)?.byNumber.get(number) ??
      refresh(environmentId).then((known) => known.byNumber.get(number)),
  };
}
