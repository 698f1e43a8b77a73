// FCALL as we write it, against ioredis's own bytes.
import { Command } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { FunctionCall } from '../src/wallet/function-call.ts';
import type { Value } from '../src/wallet/script.ts';

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

describe('a function call', () => {
  it.each<[what: string, values: Value[]]>([
    ['nothing', []],
    ['texts and numbers', ['{12}:wallet', 1, -3, 0, 1_795_000_000_000, 'strict']],
    ['empty texts and buffers', ['', Buffer.alloc(0), '']],
    ['texts past ASCII', ['é', '日本語', '😀', 'ÿ\u0000\r\n', '\ud800']],
    ['bytes', [everyByte, 'plain', everyByte.subarray(128)]],
    ['bytes beside texts past ASCII', ['naïve', everyByte, '😀']],
    ['long ones', ['x'.repeat(100_000), 'é'.repeat(50_000), Buffer.alloc(70_000, 255)]],
  ])('with %s is the bytes that ioredis writes', (_what, values) => {
    const ours = new FunctionCall('authorize_0123', 8, values, false).toWritable();
    const theirs = new Command('FCALL', ['authorize_0123', 8, ...values]).toWritable({});
    expect(Buffer.from(ours).equals(Buffer.from(theirs))).toBe(true);
  });
});
