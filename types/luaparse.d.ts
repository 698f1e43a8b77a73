// luaparse ships no types; scripts/lua/parse.ts gives the tree its own.
declare module 'luaparse' {
  const luaparse: { parse(text: string, options: Record<string, unknown>): unknown };
  export default luaparse;
}
