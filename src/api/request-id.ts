// The id that every response carries: the caller's own where it is a sane one, else made by counting.
const saneId = /^[A-Za-z0-9_.:@=/+-]{1,128}$/;

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
