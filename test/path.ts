// Whether a path is one that a route takes: `/v1/holds/hold_1` is one of `/v1/holds/{hold_id}`.
export function matches(route: string, path: string): boolean {
  const [asked, given] = [route.split('/'), path.split('/')];
  return asked.length === given.length && asked.every((part, i) => part.startsWith('{') || part === given[i]);
}
