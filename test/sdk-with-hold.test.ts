// withHold: whatever happens to the work and to the connection, what was spent is settled once or reported.
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { busy, failure, lost, order, startMisbehavingServer, unheard } from './sdk.server.ts';

const server = await startMisbehavingServer();
const gateway = server.client();

describe('withHold', () => {
  test('settles what the work spent, and returns what it made', async () => {
    const answer = await gateway.withHold(order, async (hold) => {
      expect(hold).toMatchObject({ id: 'hold_1', amount: '2' });
      hold.spent('0.1');
      hold.spent({ amount: '0.3', metadata: { model: 'm' } });
      return 'tokens';
    });
    expect(answer).toMatchObject({
      status: 'settled',
      result: 'tokens',
      hold: { id: 'hold_1' },
      settlement: { settled: '0.3' },
    });
    expect(server.applied).toEqual(['hold 2', 'settle 0.3']);
    expect(server.seen.at(-1)?.body).toBe('{"amount":"0.3","metadata":{"model":"m"}}');
    expect(server.spendable()).toBe('9.7');
  });

  test('settles by what happened, whoever knows what that costs', async () => {
    const event = { event_type: 'chat.completion', data: { model: 'm', output_tokens: 350 } };
    await gateway.withHold(order, (hold) => {
      hold.spent('0.1');
      hold.spent({ ...event, metadata: { by: 'ann' } });
    });
    expect(server.seen.at(-1)?.url).toBe('/v1/holds/hold_1/settle');
    expect(JSON.parse(server.seen.at(-1)!.body)).toEqual({ ...event, metadata: { by: 'ann' } });
    // Of nothing, too: there may be a fee. Only an amount of nothing is released.
    const broken = new Error('model down');
    const nothing = { event_type: 'chat.completion', data: {} };
    const call = gateway.withHold(order, (hold) => {
      hold.spent(nothing);
      throw broken;
    });
    await expect(call).rejects.toBe(broken);
    expect(server.seen.at(-1)?.body).toBe(JSON.stringify(nothing));
    server.next('settle', lost, unheard, ...Array.from({ length: 20 }, () => busy()));
    const error = await failure(gateway.withHold(order, (hold) => hold.spent(event), { settleMs: 500 }));
    expect(error.unsettled).toMatchObject({ request: event });
    expect(error.message).toContain('chat.completion not settled');
  });

  test('does not work when it is declined', async () => {
    const answer = await gateway.withHold({ ...order, amount: '12' }, () => expect.unreachable());
    expect(answer).toMatchObject({ status: 'declined', shortfall: '2' });
  });

  test('settles what is known when the work throws, and throws the same again', async () => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, (hold) => {
      hold.spent('0.1');
      throw broken;
    });
    await expect(call).rejects.toBe(broken);
    expect(server.applied).toEqual(['hold 2', 'settle 0.1']);
  });

  test.each([undefined, '0', '0.000'])('releases when the work throws and has spent %s', async (spent) => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, async (hold) => {
      if (spent !== undefined) hold.spent(spent);
      throw broken;
    });
    await expect(call).rejects.toBe(broken);
    expect(server.applied).toEqual(['hold 2', 'release']);
    expect(server.spendable()).toBe('10');
  });

  test('throws what the work threw even if the release fails', async () => {
    server.next('release', unheard, unheard);
    const call = gateway.withHold(order, () => Promise.reject(new Error('model down')));
    await expect(call).rejects.toThrow('model down');
  });

  test('does not take silence for free work', async () => {
    await expect(gateway.withHold(order, () => 'tokens')).rejects.toThrow('without a word on what it spent');
    expect(server.applied).toEqual(['hold 2', 'release']);
  });

  test.each(['0,5', '-1', '1e3', ''])('refuses %j as an amount where it is said', async (amount) => {
    await expect(gateway.withHold(order, (hold) => hold.spent(amount))).rejects.toThrow(RangeError);
    expect(server.applied).toEqual(['hold 2', 'release']);
  });

  test('refuses metadata that are not JSON where they are said', async () => {
    const call = gateway.withHold(order, (hold) => hold.spent({ amount: '1', metadata: { tokens: 7n } }));
    await expect(call).rejects.toThrow(TypeError);
    expect(server.applied).toEqual(['hold 2', 'release']);
  });

  test('settles what is known when the caller aborts', async () => {
    const controller = new AbortController();
    const call = gateway.withHold(
      order,
      async (hold) => {
        setTimeout(() => controller.abort(), 50);
        try {
          await sleep(5_000, undefined, { signal: controller.signal });
        } finally {
          hold.spent('0.4');
        }
      },
      { signal: controller.signal },
    );
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(server.applied).toEqual(['hold 2', 'settle 0.4']);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('does not wait for work that does not heed the abort, nor loses a later word on it', async () => {
    const controller = new AbortController();
    let isOver = () => {};
    const over = new Promise<void>((resolve) => (isOver = resolve));
    let tooLate: Promise<string> | undefined;
    const call = gateway.withHold(
      order,
      async (hold) => {
        hold.spent('0.1');
        setTimeout(() => controller.abort('gone'), 50);
        tooLate = over.then(() => {
          try {
            hold.spent('0.2');
            return 'taken';
          } catch (error) {
            return (error as Error).message;
          }
        });
        await tooLate;
      },
      { signal: controller.signal, graceMs: 50 },
    );
    await expect(call).rejects.toBe('gone');
    expect(server.applied).toEqual(['hold 2', 'settle 0.1']);
    isOver();
    expect(await tooLate).toContain('too late');
  });

  test('keeps a hold alive for as long as the work takes', async () => {
    const extendsCount = () => server.applied.filter((entry) => entry.startsWith('extend')).length;
    const answer = await gateway.withHold({ ...order, ttl_ms: 2_000 }, async (hold) => {
      await expect.poll(extendsCount, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
      hold.spent('1');
    });
    expect(answer).toMatchObject({ settlement: { late: false } });
    const count = server.seen.length;
    // Longer than half of its time, after which it would be extended.
    await sleep(1_500);
    expect(server.seen).toHaveLength(count);
  });

  test('keeps a hold alive through failures', async () => {
    server.next('extend', unheard, unheard);
    const answer = await gateway.withHold({ ...order, ttl_ms: 2_000 }, async (hold) => {
      await sleep(2_500);
      hold.spent('1');
    });
    expect(answer).toMatchObject({ settlement: { late: false } });
  });

  test('extends no longer than it is told to', async () => {
    const work = async (hold: { spent: (amount: string) => void }) => {
      await sleep(700);
      hold.spent('1');
    };
    const never = await gateway.withHold({ ...order, ttl_ms: 400 }, work, { keepAliveMs: 0 });
    expect(never).toMatchObject({ settlement: { late: true } });
    expect(server.applied).toEqual(['hold 2', 'settle 1']);
    await gateway.withHold({ ...order, ttl_ms: 400 }, work, { keepAliveMs: 300 });
    expect(server.applied.slice(2)).toEqual(['hold 2', 'extend 0', 'settle 1']);
  });

  test('lets the work ask for more', async () => {
    await gateway.withHold(order, async (hold) => {
      expect(await hold.extend({ amount: '9' })).toMatchObject({ status: 'declined' });
      expect(hold.amount).toBe('2');
      expect(await hold.extend({ amount: '3' })).toMatchObject({ status: 'approved' });
      expect(hold.amount).toBe('5');
      hold.spent('4');
    });
    expect(server.spendable()).toBe('6');
  });

  test('knows the hold as it is, when the replies to two extends cross', async () => {
    await gateway.withHold(order, async (hold) => {
      server.next('extend', { kind: 'late', ms: 300 });
      const slow = hold.extend({ amount: '1' });
      await sleep(100);
      await hold.extend({ amount: '2' });
      await slow;
      expect(hold.amount).toBe('5');
      hold.spent('1');
    });
  });

  test('settles once though the reply is lost', async () => {
    server.next('settle', lost);
    const answer = await gateway.withHold(order, (hold) => hold.spent('1'));
    expect(answer).toMatchObject({ settlement: { settled: '1' } });
    expect(server.applied).toEqual(['hold 2', 'settle 1']);
  });

  test('settles after an outage that is longer than one retry', async () => {
    server.next('settle', unheard, unheard, busy(), lost, unheard);
    await gateway.withHold(order, (hold) => hold.spent('1'));
    expect(server.applied).toEqual(['hold 2', 'settle 1']);
    expect(new Set(server.seen.slice(1).map(({ key }) => key)).size).toBe(1);
  });

  test('never loses a settle in silence: the error has what it takes to repeat it', async () => {
    server.next('settle', lost, unheard, ...Array.from({ length: 20 }, () => busy()));
    const error = await failure(
      gateway.withHold(
        order,
        (hold) => {
          hold.spent('1');
          return 'tokens';
        },
        { settleMs: 2_000 },
      ),
    );
    expect(error).toMatchObject({ code: 'busy', outcome: 'unknown' });
    expect(error.unsettled).toMatchObject({ holdId: 'hold_1', request: { amount: '1' }, result: 'tokens' });
    expect(error.message).toContain('hold_1: 1 not settled');
    const { holdId, request, idempotencyKey } = error.unsettled ?? expect.unreachable();
    server.behave();
    expect(await gateway.settle(holdId, request, { idempotencyKey })).toMatchObject({
      status: 'settled',
      settled: '1',
    });
    expect(server.applied).toEqual(['hold 2', 'settle 1']);
  });

  test('tells of both when the work threw and its cost can not be settled', async () => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, async (hold) => {
      hold.spent('1');
      await gateway.release(hold.id);
      throw broken;
    });
    const error = await failure(call);
    expect(error).toMatchObject({
      code: 'hold_closed',
      status: 409,
      unsettled: { holdId: 'hold_1', request: { amount: '1' }, workError: broken },
    });
    expect(error.cause).toMatchObject({ code: 'hold_closed' });
  });
});
