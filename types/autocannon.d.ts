// The part of autocannon that bench/ uses; the package ships no types.
declare module 'autocannon' {
  namespace autocannon {
    type Request = { method?: string; path?: string; body?: string };
    type Options = {
      url: string;
      connections: number;
      duration: number;
      method: string;
      headers: Record<string, string>;
      requests: {
        setupRequest: (request: Request) => Request;
        onResponse?: (status: number, body: string) => void;
      }[];
    };
    type Result = { duration: number; non2xx: number; latency: { p50: number; p99: number } };
    type Instance = { stop: () => void };
  }
  function autocannon(
    options: autocannon.Options,
    done: (error: Error | null, result: autocannon.Result) => void,
  ): autocannon.Instance;
  export default autocannon;
}
