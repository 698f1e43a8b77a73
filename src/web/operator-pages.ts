// What operators look at: the queues, behind a login.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';

const mountedAt = '/admin';
const operator = 'admin';

export type OperatorPagesOptions = {
  queues: ConstructorParameters<typeof BullMQAdapter>[0][];
  /** Absent: nobody gets in. */
  password: string | undefined;
  requestIdOf: (incoming: string | null) => string;
};

/** To be mounted at `/admin`; HTTP Basic, user `admin`. */
export function operatorPages({ queues, password, requestIdOf }: OperatorPagesOptions): Hono {
  const pages = new Hono();
  pages.use('*', async (context, next) => {
    await next();
    context.header('x-request-id', requestIdOf(context.req.header('x-request-id') ?? null));
  });
  if (password === undefined) {
    pages.all('*', (context) => context.text('Set FAREBOX_ADMIN_PASSWORD to open this page.\n', 403));
    return pages;
  }
  const board = new HonoAdapter(serveStatic);
  board.setBasePath(`${mountedAt}/queues`);
  createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter: board });
  pages.use('*', basicAuth({ username: operator, password, realm: 'Farebox operators' }));
  pages.route('/queues', board.registerPlugin());
  return pages;
}
