// What a check answers.

export type Outcome =
  | { readonly status: 'ok' }
  | { readonly status: 'failed'; readonly findings: readonly string[] }
  /** What it would look at is not there yet. Whether that may be is decided in one place, `scripts/check.ts`. */
  | { readonly status: 'absent'; readonly what: string };

export type Check = {
  readonly name: string;
  /** Looks at the project in the folder `root`. */
  readonly run: (root: string) => Promise<Outcome>;
  /** Mends what it would find, where that takes no judgement. */
  readonly fix?: (root: string) => Promise<void>;
};

/** Each finding says where, what is wrong, and what would be right. */
export function outcomeOf(findings: readonly string[]): Outcome {
  return findings.length === 0 ? { status: 'ok' } : { status: 'failed', findings };
}
