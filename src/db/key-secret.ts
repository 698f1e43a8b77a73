// The secrets that callers authenticate with: made, checked for typos, and hashed. Only hashes are ever stored.
//
// `fb_test_` or `fb_live_`, then an id (12), random characters (32) and a checksum (6), all of 62 letters and digits.
// 32 of them are 190 random bits, so one round of SHA-256 is enough. The id is the key's own: it tells people which
// key a secret is without the secret. The checksum tells a typo, or a scanner of leaked secrets, what it looks at.
import { hash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { EnvironmentMode } from '../records.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const idLength = 12;
const randomLength = 32;
const checksumLength = 6;

export function makeSecret(mode: EnvironmentMode): { keyId: string; secret: string } {
  const id = randomText(idLength);
  const body = `fb_${mode}_${id}${randomText(randomLength)}`;
  return { keyId: `key_${id}`, secret: body + checksum(body) };
}

/** The id of a key whose secret somebody else made. */
export function makeKeyId(): string {
  return `key_${randomText(idLength)}`;
}

/** How a secret is stored and looked up. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < checksumLength; i++) {
    text = alphabet.charAt(rest % alphabet.length) + text;
    rest = Math.floor(rest / alphabet.length);
  }
  return text;
}

function randomText(length: number): string {
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}
