// Work on a node of Redis that waits until less of its kind is under way there; a node that stands still holds up no other's.
import pLimit, { type LimitFunction } from 'p-limit';
import type { Node } from '../wallet/nodes.ts';

/** Of each node, so much at once; the rest in the order in which it came. */
export function lineByNode(atOnce: number): (node: Node) => LimitFunction {
  const lines = new WeakMap<Node, LimitFunction>();
  return (node) => {
    const line = lines.get(node) ?? pLimit(atOnce);
    lines.set(node, line);
    return line;
  };
}
