// The id that every response carries: the caller's own where it is a sane one, else made by counting.
const saneId = /^[A-Za-z0-9_.:@=/+-]{1,128}$/;

const ourId = /^req_[0-9a-f]{12}[0-9a-z]+$/;

/** Whether a gateway has made this id, as far as its form says. */
export function isOurs(id: string): boolean {
  return ourId.test(id);
}

/** Gives out ids: random once, then counted, so that a request costs no random bytes. */
export function requestIds(): (incoming: string | null) => string {
  const boot = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
  let count = 0;
  return (incoming) => {
    if (incoming !== null && saneId.test(incoming)) return incoming;
    count += 1;
    return `req_${boot}${count.toString(36)}`;
  };
}
