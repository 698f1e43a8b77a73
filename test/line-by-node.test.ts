// Work waits for its like on the same node, and for nothing else.
import { expect, test } from 'vitest';
import { lineByNode } from '../src/run/line-by-node.ts';
import type { Node } from '../src/wallet/nodes.ts';

test('so much of it is under way on each node, in order; what fails makes room, and another node waits for none of it', async () => {
  const [one, other] = [{} as Node, {} as Node];
  const inLine = lineByNode(2);
  const began: string[] = [];
  const ends = new Map<string, { done: () => void; fail: (error: Error) => void }>();
  const work = (node: Node, name: string) =>
    inLine(node)(() => {
      began.push(name);
      return new Promise<void>((done, fail) => ends.set(name, { done, fail }));
    });
  const works = ['a', 'b', 'c', 'd'].map((name) => work(one, name));
  const beside = work(other, 'beside');
  await settled();
  expect(began).toEqual(['a', 'b', 'beside']);
  ends.get('b')?.fail(new Error('of b'));
  await expect(works[1]).rejects.toThrow('of b');
  await settled();
  expect(began).toEqual(['a', 'b', 'beside', 'c']);
  ends.get('a')?.done();
  await settled();
  expect(began).toEqual(['a', 'b', 'beside', 'c', 'd']);
  for (const { done } of ends.values()) done();
  await Promise.all([works[0], works[2], works[3], beside]);
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
