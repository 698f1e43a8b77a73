// Authorize, then settle what was authorized, each under an Idempotency-Key of its own: what a proxy does, with autocannon.
//
// `npm run bench:prepare` makes the customers. Copy it and change it: it needs autocannon, and nothing of Farebox.
import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';

const customersCount = 100;
let turn = 0;
const declined = { count: 0 };

const run = autocannon(
  {
    url: process.env.FAREBOX_URL ?? 'http://127.0.0.1:3000',
    connections: 64,
    duration: 10,
    headers: { authorization: `Bearer ${process.env.FAREBOX_KEY}`, 'content-type': 'application/json' },
    requests: [
      {
        method: 'POST',
        setupRequest: (request) => ({
          ...request,
          path: '/v1/authorize',
          headers: { ...request.headers, 'idempotency-key': randomUUID() },
          body: JSON.stringify({ customer_id: `load_${turn++ % customersCount}`, asset: 'USD', amount: '0.00001' }),
        }),
        onResponse: (status, body, context) => {
          if (status === 402) declined.count += 1;
          context.holdId = status === 200 ? JSON.parse(body).id : undefined;
        },
      },
      {
        method: 'POST',
        // Nothing in its place: the connection goes on with the next authorize.
        setupRequest: (request, context) =>
          context.holdId && {
            ...request,
            path: `/v1/holds/${context.holdId}/settle`,
            headers: { ...request.headers, 'idempotency-key': randomUUID() },
            body: JSON.stringify({ amount: '0.000004' }),
          },
      },
    ],
  },
  (error, result) => {
    if (error) throw error;
    console.log(autocannon.printResult(result, { renderStatusCodes: true }));
    console.log(`${declined.count} declined`);
  },
);
autocannon.track(run, { renderResultsTable: false });
