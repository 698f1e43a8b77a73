// The part of autocannon that bench/ uses; the package ships no types.
declare module 'autocannon' {
  namespace autocannon {
    type Request = { method?: string; path?: string; body?: string; headers?: Record<string, string> };
    /** Of one connection, while it goes through the requests once. */
    type Context = Record<string, unknown>;
    type Options = {
      url: string;
      connections: number;
      duration: number;
      method: string;
      headers: Record<string, string>;
      requests: {
        setupRequest: (request: Request, context: Context) => Request;
        onResponse?: (status: number, body: string, context: Context) => void;
      }[];
    };
    type Result = {
      duration: number;
      errors: number;
      latency: { p50: number; p99: number };
      statusCodeStats: Record<string, { count: number }>;
    };
    type Instance = { stop: () => void };
  }
  function autocannon(
    options: autocannon.Options,
    done: (error: Error | null, result: autocannon.Result) => void,
  ): autocannon.Instance;
  export default autocannon;
}
