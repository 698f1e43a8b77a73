// Which node of a Redis Cluster has which of the 16,384 slots, from what its nodes say of each other.
//
// `CLUSTER NODES`: https://redis.io/docs/latest/commands/cluster-nodes/. Nodes may disagree, where one of them has not heard
// yet of a failover or of a slot that moved; the claim of the highest configuration epoch is the latest:
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#configuration-handling-propagation-and-failovers

/** What a primary claims; the address is `host:port`. */
export type Claim = { readonly address: string; readonly epoch: number; readonly ranges: readonly Range[] };
type Range = { readonly from: number; readonly to: number };

/** `asked`: the address of the node that answered, since one may not know its own. */
export function readClaims(text: string, asked: string): Claim[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [, place = '', flagsText = '', , , , epoch, , ...slots] = line.split(' ');
      const flags = new Set(flagsText.split(','));
      if (!flags.has('master') || flags.has('handshake')) return [];
      const address = addressOf(place) ?? (flags.has('myself') ? asked : undefined);
      // In brackets: slots that are on the move, and still where they were.
      const ranges = slots.filter((slot) => !slot.startsWith('[')).map(rangeOf);
      return address === undefined || ranges.length === 0 ? [] : [{ address, epoch: Number(epoch), ranges }];
    });
}

/** `ip:port@bus[,hostname[,…]]`; undefined where the node has no address. */
function addressOf(place: string): string | undefined {
  const [hostAndPorts = '', hostname = ''] = place.split(',');
  const withoutBus = hostAndPorts.split('@', 1)[0]!;
  const colonAt = withoutBus.lastIndexOf(':');
  const host = hostname === '' ? withoutBus.slice(0, colonAt) : hostname;
  const port = withoutBus.slice(colonAt + 1);
  if (host === '' || host === '?' || port === '0') return undefined;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function rangeOf(slot: string): Range {
  const [from, to = from] = slot.split('-').map(Number);
  return { from: from!, to: to! };
}

/** Whose a slot is by the latest of all claims; undefined: nobody's. */
export function ownerOf(slot: number, claims: readonly Claim[]): string | undefined {
  let latest: Claim | undefined;
  for (const claim of claims) {
    if (latest && claim.epoch <= latest.epoch) continue;
    if (claim.ranges.some(({ from, to }) => from <= slot && slot <= to)) latest = claim;
  }
  return latest?.address;
}
