// The shape of a generated script: the function in the Redis library, how its arguments are written, how its replies are read.
export type Value = string | number | Buffer;

/** What an operation brings by itself, whatever is done. */
export type CommonArgs = {
  fence: string;
  notAfterMs: number;
  environment: string;
  operationId: string;
  fingerprint: string;
  keepMs: number;
  repeated: string;
  lookedUp: string;
};

export type Script<Keys, Args, Reply> = {
  name: string;
  functionName: string;
  keysCount: number;
  /** Its reply may be packed, or carry packed values: texts arrive as buffers. */
  binary: boolean;
  /** What is common comes apart, so that nothing is copied together for a call; both may be one object. */
  encode: (keys: Keys, args: OwnArgs<Args>, common: Pick<Args, keyof Args & keyof CommonArgs>) => Value[];
  decode: Record<string, (reply: unknown[]) => Reply>;
};

export type OwnArgs<Args> = Omit<Args, keyof CommonArgs>;

/** What a call sends, less those of its last so many values that are empty and followed by none: the script knows them. */
export function withoutEmpty(values: Value[], optionalCount: number): Value[] {
  const countMin = values.length - optionalCount;
  while (values.length > countMin && isEmpty(values.at(-1)!)) values.pop();
  return values;
}

const isEmpty = (value: Value): boolean => typeof value !== 'number' && value.length === 0;

/** What Redis answers: a list, or a reply as it is remembered. */
export type RawReply = Buffer | unknown[];

/** Read a raw reply. A `replayed` one is what the first call answered, marked. */
export function decodeReply<Keys, Args, Reply extends { status: string }>(
  script: Script<Keys, Args, Reply>,
  raw: RawReply,
): Reply {
  const values = Buffer.isBuffer(raw) ? unpackReply(raw) : raw;
  const status = String(values[0]);
  if (status === 'replayed') return { ...decodeReply(script, values[1] as Buffer), replayed: true };
  const decode = script.decode[status];
  if (!decode) throw new Error(`${script.name} answered '${status}', which its signature does not know`);
  return decode(values);
}

/** See lua/lib/operation.lua: status, zero, number of numbers, those as doubles, texts with zeros between them. */
function unpackReply(packed: Buffer): unknown[] {
  const zeroAt = packed.indexOf(0);
  const values: unknown[] = [packed.toString('latin1', 0, zeroAt)];
  let at = zeroAt + 2;
  for (let left = packed[zeroAt + 1]!; left > 0; left -= 1) {
    values.push(packed.readDoubleBE(at));
    at += 8;
  }
  values.push(...packed.toString('utf8', at).split('\0'));
  return values;
}
