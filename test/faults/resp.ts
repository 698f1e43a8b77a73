// Where RESP2 values end in a stream of bytes: https://redis.io/docs/latest/develop/reference/protocol-spec/
//
// Requests are arrays of bulk strings; replies are any value. Nothing is decoded but what a fault is chosen by.
const carriageReturn = 13;
const plus = 43;
const minus = 45;
const colon = 58;
const dollar = 36;
const star = 42;

/** Where the value that begins at `from` ends; undefined while bytes are missing. */
export function endOfValue(bytes: Buffer, from: number): number | undefined {
  // Values still to come, counting the elements of arrays as they open.
  let missing = 1;
  let at = from;
  while (missing > 0) {
    const lineEnd = endOfLine(bytes, at);
    if (lineEnd === undefined) return undefined;
    const type = bytes[at]!;
    missing -= 1;
    if (type === dollar) {
      const length = numberAt(bytes, at + 1);
      at = length < 0 ? lineEnd : lineEnd + length + 2;
    } else if (type === star) {
      missing += Math.max(0, numberAt(bytes, at + 1));
      at = lineEnd;
    } else if (type === plus || type === minus || type === colon) {
      at = lineEnd;
    } else {
      throw new Error(`byte ${type} begins no RESP2 value`);
    }
    if (at > bytes.length) return undefined;
  }
  return at;
}

/** The first `count` strings of a request that is all there. */
export function wordsOf(request: Buffer, count: number): string[] {
  const words: string[] = [];
  let at = endOfLine(request, 0)!;
  while (words.length < count && at < request.length) {
    const begin = endOfLine(request, at)!;
    const end = begin + numberAt(request, at + 1);
    words.push(request.toString('latin1', begin, end));
    at = end + 2;
  }
  return words;
}

function endOfLine(bytes: Buffer, from: number): number | undefined {
  const at = bytes.indexOf(carriageReturn, from);
  return at < 0 || at + 1 >= bytes.length ? undefined : at + 2;
}

function numberAt(bytes: Buffer, from: number): number {
  let at = from;
  const sign = bytes[at] === minus ? -1 : 1;
  if (sign < 0) at += 1;
  let value = 0;
  for (; bytes[at] !== carriageReturn; at += 1) value = value * 10 + (bytes[at]! - 48);
  return sign * value;
}
