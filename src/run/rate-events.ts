// `farebox events rate`: charges the events that no price matched when they came, now that there may be one.
//
// It is the API's route, page after page, oldest first; each event is charged once, whoever else rates it or sends it again.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import type { RateEventsReply, RateEventsRequest } from '../contract.ts';
import { withOperatorApi } from './operator-api.ts';

const usage = 'use: farebox events rate [--customer <id>] [--environment <id>]';

type Print = (text: string) => void;
const toStdout: Print = (text) => void process.stdout.write(`${text}\n`);

export async function runRateEvents(config: Config, args: string[], print = toStdout): Promise<string | undefined> {
  const command = parse(args);
  if (typeof command === 'string') return command;
  return withOperatorApi(config, command.environment, async (post) => {
    const counts = new Map<string, number>();
    let cursor: string | null = null;
    do {
      const body: RateEventsRequest = { ...command.of, ...(cursor !== null && { cursor }) };
      const answer = await post(ratePath, body);
      if ('problem' in answer) return answer.problem;
      const { results, next_cursor: next } = answer.reply as RateEventsReply;
      for (const { customer_id, result } of results) {
        counts.set(result.status, (counts.get(result.status) ?? 0) + 1);
        if ('code' in result) print(`${customer_id} ${result.id}: ${result.code}`);
      }
      cursor = next;
    } while (cursor !== null);
    print([...counts].map(([status, count]) => `${count} ${status}`).join(', ') || 'no event is unpriced');
    return undefined;
  });
}

const ratePath = '/v1/events/rate';

type Command = { environment: string | undefined; of: { customer_id?: string } };

function parse(args: string[]): Command | string {
  try {
    const options = { customer: { type: 'string' }, environment: { type: 'string' } } as const;
    const { positionals, values } = parseArgs({ args, allowPositionals: true, options });
    if (positionals.join(' ') !== 'rate') return usage;
    return {
      environment: values.environment,
      of: values.customer === undefined ? {} : { customer_id: values.customer },
    };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
