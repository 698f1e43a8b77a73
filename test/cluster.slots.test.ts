// What the nodes of a Redis Cluster say of each other, and whose a slot is.
import { expect, test } from 'vitest';
import { ownerOf, readClaims } from '../src/wallet/slots.ts';

const asked = '127.0.0.1:7001';

test('primaries claim slots; replicas, newcomers and slots on the move count for nothing', () => {
  const text = [
    'a1 127.0.0.1:7001@17001 myself,master - 0 0 3 connected 0-5460 5470 [5471->-b2]',
    'b2 127.0.0.1:7002@17002,redis-2.internal master - 0 1 2 connected 5461-5469 5471-10922',
    'c3 ::1:7003@17003 master,fail - 0 1 1 disconnected 10923-16383',
    'd4 127.0.0.1:7004@17004 slave a1 0 1 3 connected',
    'e5 127.0.0.1:7005@17005 handshake,master - 0 0 0 connected 1',
    'f6 127.0.0.1:7006@17006 master - 0 0 0 connected',
    '',
  ].join('\n');
  expect(readClaims(text, asked)).toEqual([
    {
      address: '127.0.0.1:7001',
      epoch: 3,
      ranges: [
        { from: 0, to: 5460 },
        { from: 5470, to: 5470 },
      ],
    },
    {
      address: 'redis-2.internal:7002',
      epoch: 2,
      ranges: [
        { from: 5461, to: 5469 },
        { from: 5471, to: 10922 },
      ],
    },
    { address: '[::1]:7003', epoch: 1, ranges: [{ from: 10923, to: 16383 }] },
  ]);
});

test('a node that does not know its own address is where it was asked; others without one are nowhere', () => {
  const text = 'a1 :7001@17001 myself,master - 0 0 1 connected 0-9\nb2 :0@0 master,noaddr - 0 0 1 connected 10-19\n';
  expect(readClaims(text, asked)).toEqual([{ address: asked, epoch: 1, ranges: [{ from: 0, to: 9 }] }]);
});

test('the latest claim counts, in whatever order it was heard', () => {
  const old = { address: 'old:1', epoch: 4, ranges: [{ from: 0, to: 100 }] };
  const promoted = { address: 'new:1', epoch: 9, ranges: [{ from: 50, to: 100 }] };
  for (const claims of [
    [old, promoted],
    [promoted, old],
  ]) {
    expect([0, 49, 50, 100, 101].map((slot) => ownerOf(slot, claims))).toEqual([
      'old:1',
      'old:1',
      'new:1',
      'new:1',
      undefined,
    ]);
  }
});
