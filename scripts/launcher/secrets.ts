// The key and the operator password: given by the environment, or made once and kept, so that each start shows the same.
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { advice } from '../stores/advice.ts';
import type { Settings } from './settings.ts';

export type Secrets = { readonly bootstrapKey: string; readonly adminPassword: string };

export function keptSecrets(settings: Settings): Secrets {
  const file = join(settings.dataDir, 'secrets.json');
  if (!existsSync(file)) {
    const made: Secrets = { bootstrapKey: `fb_test_${random(48)}`, adminPassword: random(24) };
    writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  }
  const kept = parse(file);
  return {
    bootstrapKey: settings.bootstrapKey ?? kept.bootstrapKey,
    adminPassword: settings.adminPassword ?? kept.adminPassword,
  };
}

function parse(file: string): Secrets {
  try {
    const { bootstrapKey, adminPassword } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Secrets>;
    if (typeof bootstrapKey === 'string' && typeof adminPassword === 'string') return { bootstrapKey, adminPassword };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw advice(`${file} does not hold what the launcher wrote there: remove it, and new secrets are made`);
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function random(length: number): string {
  return Array.from({ length }, () => BASE62[randomInt(BASE62.length)]).join('');
}
