// An error that people caused and can mend: its message alone says what to do, no stack needed.

export function advice(message: string): Error {
  const error = new Error(message);
  error.name = 'Advice';
  return error;
}
