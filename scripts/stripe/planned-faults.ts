// What tests plan for requests to come: the request or its reply is lost, held back, or an error of Stripe's own.
export type PlannedFault = {
  /** The beginning of method and path: `POST /v1/payment_intents`. */
  match: string;
  /** `lose_request`: nothing happens. `lose_reply`: it happens. `hold_…`: not before `release`. `fail`: a 500, `limit`: a 429, and nothing happens. */
  fault: 'lose_request' | 'lose_reply' | 'hold_request' | 'hold_reply' | 'fail' | 'limit';
};

export type PlannedFaults = {
  /** Each is for one request, the next that it matches. */
  plan: (...faults: PlannedFault[]) => void;
  take: (target: string) => PlannedFault['fault'] | undefined;
  /** Waits for `release`. */
  held: () => Promise<void>;
  /** How many wait. */
  heldCount: () => number;
  release: () => void;
};

export function plannedFaults(): PlannedFaults {
  const planned: PlannedFault[] = [];
  const held: (() => void)[] = [];
  return {
    plan: (...faults) => void planned.push(...faults),
    take: (target) => {
      const at = planned.findIndex(({ match }) => target.startsWith(match));
      return at < 0 ? undefined : planned.splice(at, 1)[0]?.fault;
    },
    held: () => new Promise((resolve) => void held.push(resolve)),
    heldCount: () => held.length,
    release: () => {
      for (const resume of held.splice(0)) resume();
    },
  };
}
