// What `farebox prices` is asked for.
import { parseArgs } from 'node:util';
import { idPattern } from '../api/params.ts';
import type { ModelPricesOptions } from '../pricing/model-prices.ts';

const usage = `use: farebox prices import|diff <product>
  --provider <a,b>      of these providers; default all of the list
  --model <a,b*>        these models, * standing for anything; default all
  --markup <factor>     1.2 is a fifth more; default 1
  --by-provider         prices look at the event's provider, too
  --allow-free          take models of which a part is free
  --event-type <type>   default chat.completion
  --file <path>         another list in models.dev's form
  --name <name>, --default
                        of a new product: its name, and that it prices every customer
  --environment <id>    default the first
and: farebox prices migrate <product> --from <version> --to <version>`;

export type PricesCommand = {
  action: 'import' | 'diff';
  productId: string;
  name: string | undefined;
  isDefault: boolean;
  file: string | undefined;
  environment: string | undefined;
  options: ModelPricesOptions;
};

/** A text says what is wrong. */
export function parsePricesArgs(args: string[]): PricesCommand | string {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        provider: { type: 'string', multiple: true, default: [] },
        model: { type: 'string', multiple: true, default: [] },
        markup: { type: 'string', default: '1' },
        'by-provider': { type: 'boolean', default: false },
        'allow-free': { type: 'boolean', default: false },
        'event-type': { type: 'string', default: 'chat.completion' },
        file: { type: 'string' },
        name: { type: 'string' },
        default: { type: 'boolean', default: false },
        environment: { type: 'string' },
      },
    });
    const [action, productId, ...rest] = positionals;
    if ((action !== 'import' && action !== 'diff') || productId === undefined || rest.length > 0) return usage;
    if (!idPattern.test(productId)) return `a product's id is letters, digits and _ . : -, not ${productId}`;
    return {
      action,
      productId,
      name: values.name,
      isDefault: values.default,
      file: values.file,
      environment: values.environment,
      options: {
        providers: names(values.provider),
        models: names(values.model),
        markup: values.markup,
        eventType: values['event-type'],
        isByProvider: values['by-provider'],
        isFreeAllowed: values['allow-free'],
      },
    };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}

/** `--model a --model b,c` are three. */
function names(given: readonly string[]): string[] {
  return given.flatMap((text) => text.split(',')).filter((name) => name !== '');
}
