// How `npx drizzle-kit generate` writes migrations from the schema. What it cannot write is SQL by hand, in migrations
// made by `npx drizzle-kit generate --custom`.
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema.ts',
  out: './drizzle',
  casing: 'snake_case',
});
