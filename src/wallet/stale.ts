// What a call went by, the catalog and the wallet's configuration, and the answer that one of them is another by now.

export type Known = {
  /** Of the catalog that priced the request; undefined: it named its amount. */
  catalogVersion: number | undefined;
  /** Of the wallet's configuration, as configs.of has it. */
  configVersion: number;
  /** Kept with the answer and given back with it: what was priced, as JSON. */
  told: string;
};

/** Nothing was done. With what Redis has, which may be newer than what the caller reads elsewhere, it is asked again. */
export type Stale = { status: 'stale'; catalogVersion: number; configVersion: number; configText: string };

export function knownArgs({ catalogVersion, configVersion, told }: Known) {
  return {
    catalogVersion: catalogVersion === undefined ? '' : String(catalogVersion),
    configVersion: String(configVersion),
    toldText: told,
  };
}

export function staleOf(reply: { standingVersion: number; standingConfig: number; configText: string }): Stale {
  const { standingVersion: catalogVersion, standingConfig: configVersion, configText } = reply;
  return { status: 'stale', catalogVersion, configVersion, configText };
}
