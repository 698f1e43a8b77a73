// Finds a key that comes twice in one object of a JSON text, at any depth, which JSON.parse would pass over in silence.

/** The first such key. The text must be valid JSON. */
export function findDuplicateKey(text: string): string | undefined {
  // What is open: an object's keys so far, or null for an array.
  const open: (Set<string> | null)[] = [];
  let isKeyNext = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charAt(at)) {
      case '{':
        open.push(new Set());
        isKeyNext = true;
        break;
      case '[':
        open.push(null);
        isKeyNext = false;
        break;
      case '}':
      case ']':
        open.pop();
        isKeyNext = false;
        break;
      case ',':
        isKeyNext = open.at(-1) !== null;
        break;
      case '"': {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (isKeyNext && keys) {
          // Parsed, because "a" and "\u0061" are the same key.
          const key = JSON.parse(text.slice(at, end)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
          isKeyNext = false;
        }
        at = end - 1;
        break;
      }
    }
  }
  return undefined;
}

/** Behind the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
