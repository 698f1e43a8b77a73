// `farebox prices migrate <product>`: moves everybody who is subscribed to a version of it to another one, page by page, or shows
// what would become of their bills.
//
// It is the API's route, called until nobody is left; so what broke off is taken up by running it again.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import type { Migration, MigrationDifference, MigrationRequest } from '../contract.ts';
import { withOperatorApi, type Post } from './operator-api.ts';

const usage = `use: farebox prices migrate <product> --from <version> --to <version>
  --dry-run             move nobody: show what their last events cost by both versions
  --events <n>          of a dry run: so many of each customer, up to 100; default 20
  --environment <id>    default the first`;

const customersPerCall = 100;

type Command = { productId: string; from: number; environment: string | undefined; request: MigrationRequest };
type Print = (text: string) => void;
const toStdout: Print = (text) => void process.stdout.write(`${text}\n`);

export async function runMigrateCustomers(
  config: Config,
  args: string[],
  print = toStdout,
): Promise<string | undefined> {
  const command = parse(args);
  if (typeof command === 'string') return command;
  const { environment, request } = command;
  return withOperatorApi(config, environment, (post) =>
    request.dry_run ? show(post, command, print) : move(post, command, print),
  );
}

async function move(post: Post, command: Command, print: Print): Promise<string | undefined> {
  let moved = 0;
  for (;;) {
    const answer = await post(pathOf(command), command.request);
    if ('problem' in answer) return `${answer.problem}; ${moved} customers were moved, and stay so: run it again`;
    const { customers, customers_left: left } = answer.reply as Migration;
    moved += customers.length;
    print(`${moved} moved, ${left} left`);
    if (left === 0) return undefined;
    if (customers.length === 0) return `${left} customers could not be moved: run it again`;
  }
}

async function show(post: Post, command: Command, print: Print): Promise<string | undefined> {
  let seen = 0;
  let after: string | undefined;
  for (;;) {
    const answer = await post(pathOf(command), {
      ...command.request,
      ...(after !== undefined && { after }),
    });
    if ('problem' in answer) return answer.problem;
    const { customers, next_after: next } = answer.reply as Migration;
    for (const { customer_id, difference = [], events = [] } of customers) {
      const unpriced = events.filter((event) => !Array.isArray(event.after)).length;
      const failing = unpriced > 0 ? [`${unpriced} of ${events.length} events cannot be priced any more`] : [];
      print(`${customer_id}: ${[...difference.map(differenceText), ...failing].join(', ') || 'no events'}`);
    }
    seen += customers.length;
    if (next === null) break;
    after = next;
  }
  print(`${seen} customers are on version ${command.from}; nobody was moved`);
  return undefined;
}

const differenceText = ({ asset, before, after, difference }: MigrationDifference): string =>
  `${before} → ${after} ${asset} (${difference.startsWith('-') ? difference : `+${difference}`})`;

const pathOf = ({ productId, from }: Command): string =>
  `/v1/products/${encodeURIComponent(productId)}/versions/${from}/migrate`;

function parse(args: string[]): Command | string {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        events: { type: 'string', default: '20' },
        environment: { type: 'string' },
      },
    });
    const [productId, ...rest] = positionals;
    const [from, to, events] = [values.from, values.to, values.events].map((text) =>
      /^\d{1,9}$/.test(text ?? '') ? Number(text) : undefined,
    );
    if (productId === undefined || rest.length > 0 || !from || !to || events === undefined) return usage;
    if (from === to) return `they are on version ${from} already`;
    const request = { to, dry_run: values['dry-run'], events, limit: customersPerCall };
    return { productId, from, environment: values.environment, request };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
