// One JSON line for each thing that an operator may want to know; nothing secret.
import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** `processNo`: where several processes share a log, whose line it is. */
/** `to`: absent, standard output. */
export function openLog(level: string, role: string, processNo?: number, to?: DestinationStream): Log {
  const options = {
    level,
    base: { role, ...(processNo !== undefined && { process: processNo, pid: process.pid }) },
    // Should one ever get near the log, it is taken out.
    redact: ['authorization', 'secret', 'password', '*.authorization', '*.secret', '*.password', 'req.headers'],
    serializers: { error: pino.stdSerializers.err },
  };
  return to ? pino(options, to) : pino(options);
}
