// The audit's report: a line for each proof, under a failed one the first offenders, and the sum of it at the end.
import type { ProofReport, Report } from './audit.ts';

export function reportText({ isSound, proofs }: Report): string {
  const failedNames = proofs.filter(({ failed }) => failed > 0).map(({ name }) => name);
  const tookMs = proofs.reduce((sum, proof) => sum + proof.tookMs, 0);
  return [
    ...proofs.flatMap(proofLines),
    isSound
      ? `audit: the ledger is sound: ${proofs.length} proofs in ${seconds(tookMs)}`
      : `audit: FAILED: ${failedNames.join(', ')} (${failedNames.length} of ${proofs.length} proofs, ${seconds(tookMs)})`,
  ].join('\n');
}

function proofLines({ name, claim, unit, checked, failed, offenders, tookMs }: ProofReport): string[] {
  const sum = `${`${checked.toLocaleString('en')} ${unit}`.padStart(20)} ${seconds(tookMs).padStart(8)}`;
  if (failed === 0) return [`ok      ${name.padEnd(10)}${sum}   ${claim}`];
  const more = failed - offenders.length;
  return [
    `FAILED  ${name.padEnd(10)}${sum}   not so: ${claim}`,
    ...offenders.map(({ who, what }) => `          ${who}: ${what}`),
    ...(more > 0 ? [`          and ${more.toLocaleString('en')} more`] : []),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
