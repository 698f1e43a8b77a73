// A reply that holds a secret, kept for a repeat of its request so that the store alone can't read it.
//
// Sealed with AES-GCM under a key derived from the caller's own secret, which the store knows only as a hash. Whoever
// repeats the request has it; who reads the database does not.
type Seal = { secret: string; operationId: string };

const encoder = new TextEncoder();
const ivLength = 12;

export async function sealReply(text: string, seal: Seal): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(ivLength));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await keyOf(seal), encoder.encode(text));
  return toHex(new Uint8Array([...iv, ...new Uint8Array(sealed)]));
}

/** Undefined when it was sealed under another secret. */
export async function openReply(sealed: string, seal: Seal): Promise<string | undefined> {
  const bytes = fromHex(sealed);
  try {
    const iv = bytes.subarray(0, ivLength);
    const opened = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, await keyOf(seal), bytes.subarray(ivLength));
    return new TextDecoder().decode(opened);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'OperationError') return undefined;
    throw error;
  }
}

async function keyOf({ secret, operationId }: Seal) {
  const material = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, ['deriveKey']);
  const derivation = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: encoder.encode(operationId),
    info: encoder.encode('reply'),
  };
  return crypto.subtle.deriveKey(derivation, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}
