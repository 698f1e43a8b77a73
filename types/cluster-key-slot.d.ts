// cluster-key-slot ships no types.
declare module 'cluster-key-slot' {
  /** The slot of a Redis Cluster that a key belongs to. */
  const keySlot: (key: string) => number;
  export default keySlot;
}
