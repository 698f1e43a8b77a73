// Metrics of others: workers have no port, so they leave theirs in Redis, and every gateway's /metrics shows them beside its own.
import { hostname } from 'node:os';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import { workerMetricsKey } from '../wallet/keys.ts';
import type { Nodes } from '../wallet/nodes.ts';

const staleMs = 15_000;
const worker = `${hostname()}-${process.pid}`;

/** Of one process, as they travel. */
export type Metrics = MetricObjectWithValues<MetricValue<string>>[];
type Left = { atMs: number; metrics: Metrics };

export async function leaveMetrics(nodes: Nodes, registry: Registry): Promise<void> {
  const left: Left = { atMs: Date.now(), metrics: await registry.getMetricsAsJSON() };
  await nodes.ofKey(workerMetricsKey).hset(workerMetricsKey, worker, JSON.stringify(left));
}

export async function forgetMetrics(nodes: Nodes): Promise<void> {
  await nodes.ofKey(workerMetricsKey).hdel(workerMetricsKey, worker);
}

/** Prometheus text: the metrics of this gateway's processes, and those of the workers that are alive. */
export async function allMetrics(nodes: Nodes, own: readonly Metrics[]): Promise<string> {
  // With Redis away a gateway still tells about itself.
  const fields = await nodes
    .ofKey(workerMetricsKey)
    .hgetall(workerMetricsKey)
    .catch(() => ({}));
  const alive = Object.values(fields)
    .map((text) => JSON.parse(text) as Left)
    .filter(({ atMs }) => Date.now() - atMs < staleMs);
  return AggregatorRegistry.aggregate([...own, ...alive.map(({ metrics }) => metrics)]).metrics();
}
