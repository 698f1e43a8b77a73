// Generated from lua/ by `npm run generate`: do not edit.
import { atomsFromRedis as atoms, type Atoms } from '../units.ts';
import { withoutEmpty, type Script } from './script.ts';

/** The Redis library that holds all scripts; names end in its hash. */
export const libraryHash = '760fe63656c3';

export type AdvanceClockKeys = { fenceKey: string; clockKey: string };
export type AdvanceClockArgs = { fence: string; toMs: number };
export type AdvanceClockReply =
  | { status: 'fenced' }
  | { status: 'advanced'; nowMs: number };

/**
 * Move a partition's clock forward, for tests and test clocks: time never goes backwards in a partition.
 */
export const advanceClockScript: Script<AdvanceClockKeys, AdvanceClockArgs, AdvanceClockReply> = {
  name: 'advance_clock',
  functionName: 'advance_clock_760fe63656c3',
  keysCount: 2,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, common.fence, args.toMs],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    advanced: (reply) => ({ status: 'advanced', nowMs: reply[1] as number }),
  },
};

export type ApplyDueKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type ApplyDueArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number };
export type ApplyDueReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'applied'; appliedCount: number; moreFlag: number; epoch: number; seq: number; replayed?: true };

/**
 * Apply what is due in a wallet: grants that start, grants that expire; at most 16 a call.
 *
 * Every script does this before its own work; this one is for the sweep, for reading a wallet, and for a wallet with
 * more due than one call applies.
 */
export const applyDueScript: Script<ApplyDueKeys, ApplyDueArgs, ApplyDueReply> = {
  name: 'apply_due',
  functionName: 'apply_due_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, _, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    applied: (reply) => ({ status: 'applied', appliedCount: reply[1] as number, moreFlag: reply[2] as number, epoch: reply[3] as number, seq: reply[4] as number }),
  },
};

export type ArmTopUpKeys = { fenceKey: string; clockKey: string; walletKey: string };
export type ArmTopUpArgs = { fence: string; asset: number; firesBelowAtoms: Atoms; crossingNo: number };
export type ArmTopUpReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'crossed' }
  | { status: 'armed' };

/**
 * Arm a top-up: from now on an account says once when it falls below a bound.
 *
 * Each crossing has a number, and none is armed twice, nor one before another that was armed or told: a call that comes
 * late changes nothing. An account that is below already is not armed, and the caller is told: that is the crossing. It
 * moves no money and is no version; Postgres keeps bound and number, and what was told is in the ledger.
 */
export const armTopUpScript: Script<ArmTopUpKeys, ArmTopUpArgs, ArmTopUpReply> = {
  name: 'arm_top_up',
  functionName: 'arm_top_up_760fe63656c3',
  keysCount: 3,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, common.fence, args.asset, String(args.firesBelowAtoms), args.crossingNo],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    crossed: () => ({ status: 'crossed' }),
    armed: () => ({ status: 'armed' }),
  },
};

export type AuthorizeKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string; catalogKey: string };
export type AuthorizeArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; amountAtoms: Atoms; mode: string; ttlMs: number; repeated: string; lookedUp: string; configVersion: string; attached: string; catalogVersion: string; toldText: string; budgetsPacked: Buffer | string; linesPacked: Buffer | string; scopesPacked: Buffer | string; legsPacked: Buffer | string; fallbacksPacked: Buffer | string };
export type AuthorizeReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'stale'; standingVersion: number; standingConfig: number; redisMs: number; configText: string; replayed?: true }
  | { status: 'unpriced'; replayed?: true }
  | { status: 'too_large'; lineNo: number; replayed?: true }
  | { status: 'shadow_approved'; takeAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; version: number; epoch: number; seq: number; legsText: string; linesText: string; replayed?: true }
  | { status: 'shadow_declined'; reason: number; availableAtoms: Atoms; heldAtoms: Atoms; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; legsText: string; linesText: string; replayed?: true }
  | { status: 'overdue'; overdueRefs: string; replayed?: true }
  | { status: 'would_approve'; takeAtoms: Atoms; version: number; epoch: number; seq: number; sourcesText: string; legsText: string; budgetsText: string; linesText: string; replayed?: true }
  | { status: 'would_decline'; reason: number; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; legsText: string; budgetsText: string; linesText: string; replayed?: true }
  | { status: 'approved'; takeAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; createdAtMs: number; version: number; epoch: number; seq: number; legsText: string; toldText: string; linesText: string; replayed?: true }
  | { status: 'declined'; reason: number; availableAtoms: Atoms; heldAtoms: Atoms; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; toldText: string; linesText: string; replayed?: true };

/**
 * Authorize: check the wallet and hold the money for one request, or say no.
 *
 * A decline changes nothing and is not remembered, except when it answers a repeat after an unknown outcome:
 * then the delayed first attempt finds the "no" and cannot take money after it. A shadow decides like `strict`
 * and writes nothing. An explanation goes the whole way, tells where the money would come from, and stops where writing
 * would begin.
 */
export const authorizeScript: Script<AuthorizeKeys, AuthorizeArgs, AuthorizeReply> = {
  name: 'authorize',
  functionName: 'authorize_760fe63656c3',
  keysCount: 8,
  binary: true,
  encode: (keys, args, common) => withoutEmpty([keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, keys.catalogKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, String(args.amountAtoms), args.mode, args.ttlMs, common.repeated, common.lookedUp, args.configVersion, args.attached, args.catalogVersion, args.toldText, args.budgetsPacked, args.linesPacked, args.scopesPacked, args.legsPacked, args.fallbacksPacked], 7),
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    stale: (reply) => ({ status: 'stale', standingVersion: reply[1] as number, standingConfig: reply[2] as number, redisMs: reply[3] as number, configText: String(reply[4] ?? '') }),
    unpriced: () => ({ status: 'unpriced' }),
    too_large: (reply) => ({ status: 'too_large', lineNo: reply[1] as number }),
    shadow_approved: (reply) => ({ status: 'shadow_approved', takeAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), version: reply[4] as number, epoch: reply[5] as number, seq: reply[6] as number, legsText: String(reply[7] ?? ''), linesText: String(reply[8] ?? '') }),
    shadow_declined: (reply) => ({ status: 'shadow_declined', reason: reply[1] as number, availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), affordableAtoms: atoms(reply[4]), shortAsset: reply[5] as number, budgetNo: reply[6] as number, version: reply[7] as number, epoch: reply[8] as number, seq: reply[9] as number, legsText: String(reply[10] ?? ''), linesText: String(reply[11] ?? '') }),
    overdue: (reply) => ({ status: 'overdue', overdueRefs: String(reply[1] ?? '') }),
    would_approve: (reply) => ({ status: 'would_approve', takeAtoms: atoms(reply[1]), version: reply[2] as number, epoch: reply[3] as number, seq: reply[4] as number, sourcesText: String(reply[5] ?? ''), legsText: String(reply[6] ?? ''), budgetsText: String(reply[7] ?? ''), linesText: String(reply[8] ?? '') }),
    would_decline: (reply) => ({ status: 'would_decline', reason: reply[1] as number, affordableAtoms: atoms(reply[2]), shortAsset: reply[3] as number, budgetNo: reply[4] as number, version: reply[5] as number, epoch: reply[6] as number, seq: reply[7] as number, legsText: String(reply[8] ?? ''), budgetsText: String(reply[9] ?? ''), linesText: String(reply[10] ?? '') }),
    approved: (reply) => ({ status: 'approved', takeAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), createdAtMs: reply[4] as number, version: reply[5] as number, epoch: reply[6] as number, seq: reply[7] as number, legsText: String(reply[8] ?? ''), toldText: String(reply[9] ?? ''), linesText: String(reply[10] ?? '') }),
    declined: (reply) => ({ status: 'declined', reason: reply[1] as number, availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), affordableAtoms: atoms(reply[4]), shortAsset: reply[5] as number, budgetNo: reply[6] as number, version: reply[7] as number, epoch: reply[8] as number, seq: reply[9] as number, toldText: String(reply[10] ?? ''), linesText: String(reply[11] ?? '') }),
  },
};

export type ChargeKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string; catalogKey: string };
export type ChargeArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; amountAtoms: Atoms; mode: string; repeated: string; lookedUp: string; configVersion: string; attached: string; catalogVersion: string; toldText: string; budgetsPacked: Buffer | string; linesPacked: Buffer | string; scopesPacked: Buffer | string; legsPacked: Buffer | string; fallbacksPacked: Buffer | string };
export type ChargeReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'stale'; standingVersion: number; standingConfig: number; redisMs: number; configText: string; replayed?: true }
  | { status: 'unpriced'; replayed?: true }
  | { status: 'too_large'; lineNo: number; replayed?: true }
  | { status: 'shadow_approved'; takeAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; version: number; epoch: number; seq: number; legsText: string; linesText: string; replayed?: true }
  | { status: 'shadow_declined'; reason: number; availableAtoms: Atoms; heldAtoms: Atoms; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; legsText: string; linesText: string; replayed?: true }
  | { status: 'overdue'; overdueRefs: string; replayed?: true }
  | { status: 'charged'; takeAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; version: number; epoch: number; seq: number; legsText: string; toldText: string; linesText: string; replayed?: true }
  | { status: 'declined'; reason: number; availableAtoms: Atoms; heldAtoms: Atoms; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; toldText: string; linesText: string; replayed?: true };

/**
 * Charge: check the wallet and take the money in one step, with no hold before it, or say no.
 *
 * Decides as authorize does, and remembers a decline in the same case only.
 */
export const chargeScript: Script<ChargeKeys, ChargeArgs, ChargeReply> = {
  name: 'charge',
  functionName: 'charge_760fe63656c3',
  keysCount: 8,
  binary: true,
  encode: (keys, args, common) => withoutEmpty([keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, keys.catalogKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, String(args.amountAtoms), args.mode, common.repeated, common.lookedUp, args.configVersion, args.attached, args.catalogVersion, args.toldText, args.budgetsPacked, args.linesPacked, args.scopesPacked, args.legsPacked, args.fallbacksPacked], 7),
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    stale: (reply) => ({ status: 'stale', standingVersion: reply[1] as number, standingConfig: reply[2] as number, redisMs: reply[3] as number, configText: String(reply[4] ?? '') }),
    unpriced: () => ({ status: 'unpriced' }),
    too_large: (reply) => ({ status: 'too_large', lineNo: reply[1] as number }),
    shadow_approved: (reply) => ({ status: 'shadow_approved', takeAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), version: reply[4] as number, epoch: reply[5] as number, seq: reply[6] as number, legsText: String(reply[7] ?? ''), linesText: String(reply[8] ?? '') }),
    shadow_declined: (reply) => ({ status: 'shadow_declined', reason: reply[1] as number, availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), affordableAtoms: atoms(reply[4]), shortAsset: reply[5] as number, budgetNo: reply[6] as number, version: reply[7] as number, epoch: reply[8] as number, seq: reply[9] as number, legsText: String(reply[10] ?? ''), linesText: String(reply[11] ?? '') }),
    overdue: (reply) => ({ status: 'overdue', overdueRefs: String(reply[1] ?? '') }),
    charged: (reply) => ({ status: 'charged', takeAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), version: reply[4] as number, epoch: reply[5] as number, seq: reply[6] as number, legsText: String(reply[7] ?? ''), toldText: String(reply[8] ?? ''), linesText: String(reply[9] ?? '') }),
    declined: (reply) => ({ status: 'declined', reason: reply[1] as number, availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), affordableAtoms: atoms(reply[4]), shortAsset: reply[5] as number, budgetNo: reply[6] as number, version: reply[7] as number, epoch: reply[8] as number, seq: reply[9] as number, toldText: String(reply[10] ?? ''), linesText: String(reply[11] ?? '') }),
  },
};

export type ConfigureKeys = { fenceKey: string; clockKey: string; walletKey: string };
export type ConfigureArgs = { fence: string; version: number; configText: string };
export type ConfigureReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'configured'; configVersion: number };

/**
 * Configure: tell a wallet its customer's subscriptions and budgets, unless it knows newer ones.
 *
 * Postgres keeps them; they are written here before a change is answered, so that the next request goes by it. They
 * move no money: no entry tells of them.
 */
export const configureScript: Script<ConfigureKeys, ConfigureArgs, ConfigureReply> = {
  name: 'configure',
  functionName: 'configure_760fe63656c3',
  keysCount: 3,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, common.fence, args.version, args.configText],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    configured: (reply) => ({ status: 'configured', configVersion: reply[1] as number }),
  },
};

export type CreateWalletKeys = { fenceKey: string; clockKey: string; walletKey: string };
export type CreateWalletArgs = { fence: string; environment: string; customerId: string; freeze: number };
export type CreateWalletReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'moved' }
  | { status: 'created' };

/**
 * Create a wallet: an empty one, for a customer of whom the ledger has no entry yet.
 *
 * Where Redis has no memory left it is refused, as all new work.
 */
export const createWalletScript: Script<CreateWalletKeys, CreateWalletArgs, CreateWalletReply> = {
  name: 'create_wallet',
  functionName: 'create_wallet_760fe63656c3',
  keysCount: 3,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, common.fence, common.environment, args.customerId, args.freeze],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    moved: () => ({ status: 'moved' }),
    created: () => ({ status: 'created' }),
  },
};

export type CreditKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type CreditArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; grantNo: number; amountAtoms: Atoms; purpose: number; priority: number; effectiveAtMs: number; expiresAtMs: number; attached: string; lookedUp: string; scope: number; rolloverPacked: Buffer | string };
export type CreditReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'out_of_bounds'; bound: number; replayed?: true }
  | { status: 'granted'; remainingAtoms: Atoms; state: number; effectiveMs: number; atMs: number; version: number; epoch: number; seq: number; replayed?: true };

/**
 * Credit: put a grant into an account, now or at an instant to come.
 *
 * A grant in force repays overage first; the rest can be spent at once. A scheduled one waits, and counts into the
 * headroom of the balance from now on. Grants are numbered by Postgres, where the intent to credit was written first.
 */
export const creditScript: Script<CreditKeys, CreditArgs, CreditReply> = {
  name: 'credit',
  functionName: 'credit_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.grantNo, String(args.amountAtoms), args.purpose, args.priority, args.effectiveAtMs, args.expiresAtMs, args.attached, common.lookedUp, args.scope, args.rolloverPacked],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    out_of_bounds: (reply) => ({ status: 'out_of_bounds', bound: reply[1] as number }),
    granted: (reply) => ({ status: 'granted', remainingAtoms: atoms(reply[1]), state: reply[2] as number, effectiveMs: reply[3] as number, atMs: reply[4] as number, version: reply[5] as number, epoch: reply[6] as number, seq: reply[7] as number }),
  },
};

export type DropCountersKeys = { fenceKey: string; clockKey: string; walletKey: string };
export type DropCountersArgs = { fence: string; names: string };
export type DropCountersReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'dropped'; droppedCount: number };

/**
 * Drop counters of a wallet that can change nothing any more: what was counted for budgets that were deleted since, and
 * of prices in windows that are long over.
 *
 * A budget's number is given once, so nothing is counted by it again; a hold that counts there gives back to nothing,
 * and its settle counts nowhere. A price's bucket counts for a day after its window (lib/usage.lua), by the time of the
 * newest entry in the partition, which is in the ledger too: nothing can count by an earlier one later. Nothing is
 * decided otherwise without them, so no entry tells of it; the ledger keeps what they last were.
 */
export const dropCountersScript: Script<DropCountersKeys, DropCountersArgs, DropCountersReply> = {
  name: 'drop_counters',
  functionName: 'drop_counters_760fe63656c3',
  keysCount: 3,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, common.fence, args.names],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    dropped: (reply) => ({ status: 'dropped', droppedCount: reply[1] as number }),
  },
};

export type ExpireHoldsKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type ExpireHoldsArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; holdRefs: string };
export type ExpireHoldsReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'expired'; expiredCount: number; epoch: number; seq: number; replayed?: true };

/**
 * Expire holds whose deadline has passed: what they still hold goes back.
 *
 * The caller names the holds, from the deadlines or from a decline; those that ended meanwhile, or got more time,
 * are passed over.
 */
export const expireHoldsScript: Script<ExpireHoldsKeys, ExpireHoldsArgs, ExpireHoldsReply> = {
  name: 'expire_holds',
  functionName: 'expire_holds_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.holdRefs],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    expired: (reply) => ({ status: 'expired', expiredCount: reply[1] as number, epoch: reply[2] as number, seq: reply[3] as number }),
  },
};

export type ExtendKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type ExtendArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; holdRef: string; amountAtoms: Atoms; ttlMs: number; repeated: string; attached: string; lookedUp: string; configVersion: string; budgetsPacked: Buffer | string };
export type ExtendReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'stale'; standingVersion: number; standingConfig: number; redisMs: number; configText: string; replayed?: true }
  | { status: 'unknown_hold'; replayed?: true }
  | { status: 'out_of_bounds'; bound: number; replayed?: true }
  | { status: 'overdue'; overdueRefs: string; replayed?: true }
  | { status: 'expired'; settledAtoms: Atoms; releasedAtoms: Atoms; epoch: number; seq: number; replayed?: true }
  | { status: 'extended'; totalAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; expiresAtMs: number; atMs: number; version: number; epoch: number; seq: number; legsText: string; replayed?: true }
  | { status: 'declined'; reason: number; availableAtoms: Atoms; heldAtoms: Atoms; affordableAtoms: Atoms; shortAsset: number; budgetNo: number; version: number; epoch: number; seq: number; replayed?: true };

/**
 * Extend a hold: more time, more money, or both; all of it or nothing.
 *
 * Time counts from now and never shortens. Money is checked as authorize checks it, and comes on top of the hold's
 * first leg. A hold that is past its deadline expires here, and is told so.
 */
export const extendScript: Script<ExtendKeys, ExtendArgs, ExtendReply> = {
  name: 'extend',
  functionName: 'extend_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.holdRef, String(args.amountAtoms), args.ttlMs, common.repeated, args.attached, common.lookedUp, args.configVersion, args.budgetsPacked],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    stale: (reply) => ({ status: 'stale', standingVersion: reply[1] as number, standingConfig: reply[2] as number, redisMs: reply[3] as number, configText: String(reply[4] ?? '') }),
    unknown_hold: () => ({ status: 'unknown_hold' }),
    out_of_bounds: (reply) => ({ status: 'out_of_bounds', bound: reply[1] as number }),
    overdue: (reply) => ({ status: 'overdue', overdueRefs: String(reply[1] ?? '') }),
    expired: (reply) => ({ status: 'expired', settledAtoms: atoms(reply[1]), releasedAtoms: atoms(reply[2]), epoch: reply[3] as number, seq: reply[4] as number }),
    extended: (reply) => ({ status: 'extended', totalAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), expiresAtMs: reply[4] as number, atMs: reply[5] as number, version: reply[6] as number, epoch: reply[7] as number, seq: reply[8] as number, legsText: String(reply[9] ?? '') }),
    declined: (reply) => ({ status: 'declined', reason: reply[1] as number, availableAtoms: atoms(reply[2]), heldAtoms: atoms(reply[3]), affordableAtoms: atoms(reply[4]), shortAsset: reply[5] as number, budgetNo: reply[6] as number, version: reply[7] as number, epoch: reply[8] as number, seq: reply[9] as number }),
  },
};

export type ForgetKeys = { fenceKey: string; walletKey: string; holdsKey: string; deadlinesKey: string };
export type ForgetArgs = { fence: string; headPacked: Buffer | string };
export type ForgetReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'moved' }
  | { status: 'forgotten' };

/**
 * Forget a wallet that is to be rebuilt from the ledger: it leaves Redis, and its partition is closed.
 *
 * The ledger may have it at an older version than Redis had, so versions are given again, and with them hold refs
 * (`<epoch>.<version>`): only another epoch may do that. A worker finds the fence closed, as after a loss, drains what
 * is there, and opens the next epoch (src/worker/recover.ts). The fence goes first: a wallet that were gone behind an
 * open one would be loaded, and used, in this epoch. Deadlines of its holds stay: those that the ledger has are good,
 * and the sweep takes away what no hold stands behind.
 */
export const forgetScript: Script<ForgetKeys, ForgetArgs, ForgetReply> = {
  name: 'forget',
  functionName: 'forget_760fe63656c3',
  keysCount: 4,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, common.fence, args.headPacked],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    moved: () => ({ status: 'moved' }),
    forgotten: () => ({ status: 'forgotten' }),
  },
};

export type FreezeKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type FreezeArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; fromFreeze: number; toFreeze: number; attached: string; lookedUp: string; seenAt: string };
export type FreezeReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'moved'; replayed?: true }
  | { status: 'unchanged'; freeze: number; replayed?: true }
  | { status: 'changed'; toFreeze: number; version: number; epoch: number; seq: number; replayed?: true };

/**
 * Freeze a wallet, or lift a freeze: a frozen wallet approves nothing, but settles and releases go on.
 *
 * An operator lifts an operator's freeze only. A freeze by the system replaces an operator's, never the reverse. What
 * the system does because of what it saw, it does only while the wallet is still what was seen.
 */
export const freezeScript: Script<FreezeKeys, FreezeArgs, FreezeReply> = {
  name: 'freeze',
  functionName: 'freeze_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.fromFreeze, args.toFreeze, args.attached, common.lookedUp, args.seenAt],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    moved: () => ({ status: 'moved' }),
    unchanged: (reply) => ({ status: 'unchanged', freeze: reply[1] as number }),
    changed: (reply) => ({ status: 'changed', toFreeze: reply[1] as number, version: reply[2] as number, epoch: reply[3] as number, seq: reply[4] as number }),
  },
};

export type HydrateKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; scratchKey: string };
export type HydrateArgs = { fence: string; environment: string; customerId: string; version: number; freeze: number; accountsPacked: Buffer | string; grantsPacked: Buffer | string; holdsPacked: Buffer | string; replacedVersion: string; lookUpUntilMs: number; configVersion: string; configText: string; countersPacked: Buffer | string; rolloversPacked: Buffer | string; triggersPacked: Buffer | string };
export type HydrateReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'present' }
  | { status: 'moved' }
  | { status: 'hydrated' };

/**
 * Hydrate: put a wallet into Redis as the ledger knows it, unless it is there.
 *
 * The caller has made sure that every entry of this wallet is in the ledger; a wallet that is there is left alone, so
 * two callers at once, or a late one, do no harm. One that is of another epoch, and behind the ledger, is replaced, at
 * the version that was compared and at no other. It goes on where Redis has no memory left, since its holds must end;
 * a new wallet does not (create_wallet.lua).
 */
export const hydrateScript: Script<HydrateKeys, HydrateArgs, HydrateReply> = {
  name: 'hydrate',
  functionName: 'hydrate_760fe63656c3',
  keysCount: 6,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.scratchKey, common.fence, common.environment, args.customerId, args.version, args.freeze, args.accountsPacked, args.grantsPacked, args.holdsPacked, args.replacedVersion, args.lookUpUntilMs, args.configVersion, args.configText, args.countersPacked, args.rolloversPacked, args.triggersPacked],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    present: () => ({ status: 'present' }),
    moved: () => ({ status: 'moved' }),
    hydrated: () => ({ status: 'hydrated' }),
  },
};

export type ListDueKeys = { fenceKey: string; clockKey: string; deadlinesKey: string };
export type ListDueArgs = { fence: string; membersMax: number };
export type ListDueReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'due_members'; membersText: string; nowMs: number };

/**
 * List what is due in a partition, soonest first: wallets with grants to start or expire, holds past their deadline.
 *
 * A member is a wallet's id (22 characters), followed by a hold's ref where it is a hold.
 */
export const listDueScript: Script<ListDueKeys, ListDueArgs, ListDueReply> = {
  name: 'list_due',
  functionName: 'list_due_760fe63656c3',
  keysCount: 3,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.deadlinesKey, common.fence, args.membersMax],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    due_members: (reply) => ({ status: 'due_members', membersText: String(reply[1] ?? ''), nowMs: reply[2] as number }),
  },
};

export type MendKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string };
export type MendArgs = { fence: string; seenAt: string };
export type MendReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'moved' }
  | { status: 'mended' };

/**
 * Mend: what a wallet keeps beside its grants and holds is made anew from them: orders, due list, counts, deadlines.
 *
 * Reconcile calls it where money, grants and holds are as the ledger has them and one of these does not follow. Nothing
 * moves, so it is no version and leaves no entry; stopped after any of its writes, it can be called again. The wallet
 * must be as it was seen, unless the caller does not mind: what is made is true of whatever stands there.
 */
export const mendScript: Script<MendKeys, MendArgs, MendReply> = {
  name: 'mend',
  functionName: 'mend_760fe63656c3',
  keysCount: 5,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, common.fence, args.seenAt],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    moved: () => ({ status: 'moved' }),
    mended: () => ({ status: 'mended' }),
  },
};

export type PeekOperationKeys = { fenceKey: string; clockKey: string; walletKey: string; operationKey: string };
export type PeekOperationArgs = { fence: string };
export type PeekOperationReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'begun' }
  | { status: 'look_up' }
  | { status: 'never_begun' };

/**
 * Peek operation: whether one was begun before, as far as Redis can say. Asked under backpressure only.
 */
export const peekOperationScript: Script<PeekOperationKeys, PeekOperationArgs, PeekOperationReply> = {
  name: 'peek_operation',
  functionName: 'peek_operation_760fe63656c3',
  keysCount: 4,
  binary: false,
  encode: (keys, _, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.operationKey, common.fence],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    begun: () => ({ status: 'begun' }),
    look_up: () => ({ status: 'look_up' }),
    never_begun: () => ({ status: 'never_begun' }),
  },
};

export type RaiseCatalogKeys = { fenceKey: string; catalogKey: string };
export type RaiseCatalogArgs = { fence: string; environment: string; catalogVersion: string };
export type RaiseCatalogReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'raised' };

/**
 * Raise catalog: from now on this partition prices an environment's events with this catalog version or a later one.
 *
 * A version lower than the one that stands changes nothing: two publishes may reach a partition in any order.
 */
export const raiseCatalogScript: Script<RaiseCatalogKeys, RaiseCatalogArgs, RaiseCatalogReply> = {
  name: 'raise_catalog',
  functionName: 'raise_catalog_760fe63656c3',
  keysCount: 2,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.catalogKey, common.fence, common.environment, args.catalogVersion],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    raised: () => ({ status: 'raised' }),
  },
};

export type ReadHoldKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string };
export type ReadHoldArgs = { fence: string; environment: string; holdRef: string };
export type ReadHoldReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'missing' }
  | { status: 'due' }
  | { status: 'unknown_hold' }
  | { status: 'hold'; customerText: string; holdRecord: Buffer; atMs: number };

/**
 * Read an open hold, as it is stored, and whose it is.
 */
export const readHoldScript: Script<ReadHoldKeys, ReadHoldArgs, ReadHoldReply> = {
  name: 'read_hold',
  functionName: 'read_hold_760fe63656c3',
  keysCount: 4,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, common.fence, common.environment, args.holdRef],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    unknown_hold: () => ({ status: 'unknown_hold' }),
    hold: (reply) => ({ status: 'hold', customerText: String(reply[1] ?? ''), holdRecord: reply[2] as Buffer, atMs: reply[3] as number }),
  },
};

export type ReadStoredKeys = { walletKey: string; holdsKey: string; deadlinesKey: string; clockKey: string };
export type ReadStoredArgs = {  };
export type ReadStoredReply =
  | { status: 'stored'; fieldsPacked: Buffer[]; holdsPacked: Buffer[]; scoresPacked: Buffer[]; clockMs: number };

/**
 * Read what is stored of a wallet, whatever its epoch and fence: to be compared with the ledger, never to decide on.
 *
 * With when it is due and when its holds are, as the partition's deadlines have it: the wallet itself, then each hold;
 * and with the partition's clock.
 */
export const readStoredScript: Script<ReadStoredKeys, ReadStoredArgs, ReadStoredReply> = {
  name: 'read_stored',
  functionName: 'read_stored_760fe63656c3',
  keysCount: 4,
  binary: true,
  encode: (keys) => [keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.clockKey],
  decode: {
    stored: (reply) => ({ status: 'stored', fieldsPacked: reply[1] as Buffer[], holdsPacked: reply[2] as Buffer[], scoresPacked: reply[3] as Buffer[], clockMs: reply[4] as number }),
  },
};

export type ReadWalletKeys = { fenceKey: string; clockKey: string; walletKey: string };
export type ReadWalletArgs = { fence: string; environment: string };
export type ReadWalletReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'absent' }
  | { status: 'missing' }
  | { status: 'due' }
  | { status: 'wallet'; fieldsPacked: Buffer[]; atMs: number; version: number; freeze: number; epoch: number; seq: number };

/**
 * Read a wallet: all its fields as they are stored, when nothing is due.
 */
export const readWalletScript: Script<ReadWalletKeys, ReadWalletArgs, ReadWalletReply> = {
  name: 'read_wallet',
  functionName: 'read_wallet_760fe63656c3',
  keysCount: 3,
  binary: true,
  encode: (keys, _, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, common.fence, common.environment],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    wallet: (reply) => ({ status: 'wallet', fieldsPacked: reply[1] as Buffer[], atMs: reply[2] as number, version: reply[3] as number, freeze: reply[4] as number, epoch: reply[5] as number, seq: reply[6] as number }),
  },
};

export type ReleaseKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type ReleaseArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; holdRef: string; attached: string; lookedUp: string };
export type ReleaseReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'unknown_hold'; replayed?: true }
  | { status: 'expired'; settledAtoms: Atoms; releasedAtoms: Atoms; epoch: number; seq: number; replayed?: true }
  | { status: 'released'; settledAtoms: Atoms; releasedAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; version: number; epoch: number; seq: number; legsText: string; replayed?: true };

/**
 * Release a hold: give back what it still holds.
 *
 * What returns goes to the grants it came from, last taken first. A hold ends once: one that is past its deadline
 * expires here, and is told so. available + held − overage is the same before and after, but for what belonged to a
 * grant that has ended: that leaves by an entry of its own.
 */
export const releaseScript: Script<ReleaseKeys, ReleaseArgs, ReleaseReply> = {
  name: 'release',
  functionName: 'release_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.holdRef, args.attached, common.lookedUp],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    unknown_hold: () => ({ status: 'unknown_hold' }),
    expired: (reply) => ({ status: 'expired', settledAtoms: atoms(reply[1]), releasedAtoms: atoms(reply[2]), epoch: reply[3] as number, seq: reply[4] as number }),
    released: (reply) => ({ status: 'released', settledAtoms: atoms(reply[1]), releasedAtoms: atoms(reply[2]), availableAtoms: atoms(reply[3]), heldAtoms: atoms(reply[4]), version: reply[5] as number, epoch: reply[6] as number, seq: reply[7] as number, legsText: String(reply[8] ?? '') }),
  },
};

export type RememberKeys = { fenceKey: string; operationKey: string };
export type RememberArgs = { fence: string; recordPacked: Buffer | string; keepMs: number };
export type RememberReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'remembered' };

/**
 * Remember: an operation that the ledger has, and that this Redis has lost or cannot vouch for, gets its record back.
 *
 * Then the call is repeated, and finds it, as any repeat does. What is there is of an earlier epoch, or the same.
 */
export const rememberScript: Script<RememberKeys, RememberArgs, RememberReply> = {
  name: 'remember',
  functionName: 'remember_760fe63656c3',
  keysCount: 2,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.operationKey, common.fence, args.recordPacked, common.keepMs],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    remembered: () => ({ status: 'remembered' }),
  },
};

export type RestampKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; scratchKey: string };
export type RestampArgs = { fence: string; version: number; freeze: number; configVersion: string; configText: string };
export type RestampReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'moved' }
  | { status: 'stamped' };

/**
 * Restamp: a wallet that has been compared with the ledger is good in this epoch, too; frozen where its entries wait in
 * quarantine.
 *
 * Only at the version that was compared. Nothing else can have changed meanwhile: a wallet stamped with another epoch
 * counts as absent for every other script. All that it has is written again as it stands: see seal.whole.
 */
export const restampScript: Script<RestampKeys, RestampArgs, RestampReply> = {
  name: 'restamp',
  functionName: 'restamp_760fe63656c3',
  keysCount: 5,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.scratchKey, common.fence, args.version, args.freeze, args.configVersion, args.configText],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    moved: () => ({ status: 'moved' }),
    stamped: () => ({ status: 'stamped' }),
  },
};

export type SetAsideKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type SetAsideArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; holdRef: string; grantNo: number; amountAtoms: Atoms; mode: string; attached: string; lookedUp: string };
export type SetAsideReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'frozen'; replayed?: true }
  | { status: 'set_aside'; takenAtoms: Atoms; version: number; epoch: number; seq: number; replayed?: true }
  | { status: 'short'; reachAtoms: Atoms; replayed?: true };

/**
 * Set credit that was bought aside, in a hold without a deadline: it is about to be refunded, or is disputed.
 *
 * A refund that was asked for takes from the grant that its purchase became, all or nothing; `up_to` takes what there
 * is, of that grant first. The caller names the hold, by a name that no hold's id can have, so that no request reaches
 * it; take_back.lua ends it. It counts in no budget: nothing is spent.
 */
export const setAsideScript: Script<SetAsideKeys, SetAsideArgs, SetAsideReply> = {
  name: 'set_aside',
  functionName: 'set_aside_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.holdRef, args.grantNo, String(args.amountAtoms), args.mode, args.attached, common.lookedUp],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    frozen: () => ({ status: 'frozen' }),
    set_aside: (reply) => ({ status: 'set_aside', takenAtoms: atoms(reply[1]), version: reply[2] as number, epoch: reply[3] as number, seq: reply[4] as number }),
    short: (reply) => ({ status: 'short', reachAtoms: atoms(reply[1]) }),
  },
};

export type SettleKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string; lateKey: string; catalogKey: string };
export type SettleArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; holdRef: string; amountAtoms: Atoms; final: string; onExcess: string; lookedUp: string; configVersion: string; attached: string; catalogVersion: string; toldText: string; linesPacked: Buffer | string; scopesPacked: Buffer | string; duesPacked: Buffer | string; expiredHold: Buffer | string; fallbacksPacked: Buffer | string };
export type SettleReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'stale'; standingVersion: number; standingConfig: number; redisMs: number; configText: string; replayed?: true }
  | { status: 'unpriced'; replayed?: true }
  | { status: 'unknown_hold'; replayed?: true }
  | { status: 'closed'; replayed?: true }
  | { status: 'too_large'; lineNo: number; replayed?: true }
  | { status: 'too_many_assets'; replayed?: true }
  | { status: 'exceeds_hold'; withinAtoms: Atoms; shortAsset: number; replayed?: true }
  | { status: 'out_of_bounds'; bound: number; replayed?: true }
  | { status: 'settled'; settledAtoms: Atoms; releasedAtoms: Atoms; overageAtoms: Atoms; availableAtoms: Atoms; heldAtoms: Atoms; lateFlag: number; openFlag: number; version: number; epoch: number; seq: number; legsText: string; toldText: string; linesText: string; replayed?: true };

/**
 * Settle a hold at its true cost: wholly, or in parts until the final one, which gives the rest back.
 *
 * More than is held: `charge` takes the rest from what is available, and what is missing becomes overage; `cap`
 * takes the hold at most; `reject` changes nothing; each asset for itself (lib/dues.lua). The amount is one of the
 * hold's first asset: where it has other legs that stand in for it, it is taken from them in order, and an excess from
 * the first again. What an event costs may be due in other assets, too, and its lines may fall back on others
 * (lib/fallback.lua).
 *
 * A hold ends exactly at its deadline: from then on it has expired, and settling it is recorded once, as a final settle
 * marked late, paid from what is available. A hold that the sweep has removed comes with its terms from the ledger.
 */
export const settleScript: Script<SettleKeys, SettleArgs, SettleReply> = {
  name: 'settle',
  functionName: 'settle_760fe63656c3',
  keysCount: 9,
  binary: true,
  encode: (keys, args, common) => withoutEmpty([keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, keys.lateKey, keys.catalogKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.holdRef, String(args.amountAtoms), args.final, args.onExcess, common.lookedUp, args.configVersion, args.attached, args.catalogVersion, args.toldText, args.linesPacked, args.scopesPacked, args.duesPacked, args.expiredHold, args.fallbacksPacked], 7),
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    stale: (reply) => ({ status: 'stale', standingVersion: reply[1] as number, standingConfig: reply[2] as number, redisMs: reply[3] as number, configText: String(reply[4] ?? '') }),
    unpriced: () => ({ status: 'unpriced' }),
    unknown_hold: () => ({ status: 'unknown_hold' }),
    closed: () => ({ status: 'closed' }),
    too_large: (reply) => ({ status: 'too_large', lineNo: reply[1] as number }),
    too_many_assets: () => ({ status: 'too_many_assets' }),
    exceeds_hold: (reply) => ({ status: 'exceeds_hold', withinAtoms: atoms(reply[1]), shortAsset: reply[2] as number }),
    out_of_bounds: (reply) => ({ status: 'out_of_bounds', bound: reply[1] as number }),
    settled: (reply) => ({ status: 'settled', settledAtoms: atoms(reply[1]), releasedAtoms: atoms(reply[2]), overageAtoms: atoms(reply[3]), availableAtoms: atoms(reply[4]), heldAtoms: atoms(reply[5]), lateFlag: reply[6] as number, openFlag: reply[7] as number, version: reply[8] as number, epoch: reply[9] as number, seq: reply[10] as number, legsText: String(reply[11] ?? ''), toldText: String(reply[12] ?? ''), linesText: String(reply[13] ?? '') }),
  },
};

export type TakeBackKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type TakeBackArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; holdRef: string; grantNo: number; amountAtoms: Atoms; attached: string; lookedUp: string };
export type TakeBackReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'nothing'; replayed?: true }
  | { status: 'out_of_bounds'; replayed?: true }
  | { status: 'taken_back'; heldAtoms: Atoms; availableAtoms: Atoms; owedAtoms: Atoms; releasedAtoms: Atoms; version: number; epoch: number; seq: number; replayed?: true };

/**
 * Take credit back whose money has gone back, or end what was set aside for it.
 *
 * Of what set_aside.lua holds; where that is less, or not there any more, of the grant that was bought, then of what is
 * available, and what is missing then is owed: the money has gone. Nothing to take: the hold is released.
 */
export const takeBackScript: Script<TakeBackKeys, TakeBackArgs, TakeBackReply> = {
  name: 'take_back',
  functionName: 'take_back_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.holdRef, args.grantNo, String(args.amountAtoms), args.attached, common.lookedUp],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    nothing: () => ({ status: 'nothing' }),
    out_of_bounds: () => ({ status: 'out_of_bounds' }),
    taken_back: (reply) => ({ status: 'taken_back', heldAtoms: atoms(reply[1]), availableAtoms: atoms(reply[2]), owedAtoms: atoms(reply[3]), releasedAtoms: atoms(reply[4]), version: reply[5] as number, epoch: reply[6] as number, seq: reply[7] as number }),
  },
};

export type VerifyRunKeys = { fenceKey: string };
export type VerifyRunArgs = { fence: string; runId: string };
export type VerifyRunReply =
  | { status: 'fenced' }
  | { status: 'unverified' }
  | { status: 'verified' };

/**
 * Verify run: let scripts decide behind this fence, if this is the run of Redis that the ledger has for its epoch.
 */
export const verifyRunScript: Script<VerifyRunKeys, VerifyRunArgs, VerifyRunReply> = {
  name: 'verify_run',
  functionName: 'verify_run_760fe63656c3',
  keysCount: 1,
  binary: false,
  encode: (keys, args, common) => [keys.fenceKey, common.fence, args.runId],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    verified: () => ({ status: 'verified' }),
  },
};

export type VoidKeys = { fenceKey: string; clockKey: string; walletKey: string; holdsKey: string; deadlinesKey: string; operationKey: string; outboxKey: string };
export type VoidArgs = { fence: string; notAfterMs: number; environment: string; operationId: string; fingerprint: string; keepMs: number; asset: number; grantNo: number; attached: string; lookedUp: string };
export type VoidReply =
  | { status: 'fenced'; replayed?: true }
  | { status: 'unverified'; replayed?: true }
  | { status: 'late'; nowMs: number; replayed?: true }
  | { status: 'conflict'; replayed?: true }
  | { status: 'look_up'; replayed?: true }
  | { status: 'absent'; replayed?: true }
  | { status: 'missing'; replayed?: true }
  | { status: 'due'; replayed?: true }
  | { status: 'unknown_grant'; replayed?: true }
  | { status: 'ended'; state: number; replayed?: true }
  | { status: 'voided'; takenAtoms: Atoms; heldAtoms: Atoms; atMs: number; version: number; epoch: number; seq: number; replayed?: true };

/**
 * Void a grant: take back what it has left. What is held goes when it returns.
 */
export const voidScript: Script<VoidKeys, VoidArgs, VoidReply> = {
  name: 'void',
  functionName: 'void_760fe63656c3',
  keysCount: 7,
  binary: true,
  encode: (keys, args, common) => [keys.fenceKey, keys.clockKey, keys.walletKey, keys.holdsKey, keys.deadlinesKey, keys.operationKey, keys.outboxKey, common.fence, common.notAfterMs, common.environment, common.operationId, common.fingerprint, common.keepMs, args.asset, args.grantNo, args.attached, common.lookedUp],
  decode: {
    fenced: () => ({ status: 'fenced' }),
    unverified: () => ({ status: 'unverified' }),
    late: (reply) => ({ status: 'late', nowMs: reply[1] as number }),
    conflict: () => ({ status: 'conflict' }),
    look_up: () => ({ status: 'look_up' }),
    absent: () => ({ status: 'absent' }),
    missing: () => ({ status: 'missing' }),
    due: () => ({ status: 'due' }),
    unknown_grant: () => ({ status: 'unknown_grant' }),
    ended: (reply) => ({ status: 'ended', state: reply[1] as number }),
    voided: (reply) => ({ status: 'voided', takenAtoms: atoms(reply[1]), heldAtoms: atoms(reply[2]), atMs: reply[3] as number, version: reply[4] as number, epoch: reply[5] as number, seq: reply[6] as number }),
  },
};

/** What FUNCTION LOAD takes. */
export const libraryText =
  "#!lua name=farebox_760fe63656c3\n\
local outer = function() return redis, string, struct, math, table, unpack, ipairs, pairs, tonumber, type end\n\
local redis, string, struct, math, table, unpack, ipairs, pairs, tonumber, type = redis\n\
local bound = false\n\
local function bind()\n\
redis, string, struct, math, table, unpack, ipairs, pairs, tonumber, type = outer()\n\
bound = true\n\
end\n\
local loaded, modules = {}, {}\n\
local function require(name)\n\
local module = loaded[name]\n\
if module == nil then\n\
module = modules[name]()\n\
loaded[name] = module\n\
end\n\
return module\n\
end\n\
modules['aside'] = function()\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local wallets = require('wallet')\n\
local aside = {}\n\
function aside.left(wallet, account, grant_no)\n\
local terms = wallets.terms(wallet, grant_no)\n\
if not terms or terms.asset ~= account.asset or terms.state ~= 2 or terms.scope > 0 then\n\
return 0\n\
end\n\
return wallets.grant(wallet, grant_no).remaining\n\
end\n\
function aside.reach(wallet, account, grant_no, only_own)\n\
return only_own and aside.left(wallet, account, grant_no) or account.available - account.scoped\n\
end\n\
function aside.take(wallet, entry, account, grant_no, atoms, into_hold)\n\
local own = math.min(atoms, aside.left(wallet, account, grant_no))\n\
local sources = {}\n\
if own > 0 then\n\
local grant = wallets.grant(wallet, grant_no)\n\
if grant.remaining == own then\n\
grants.leave_order(wallet, account, grant_no)\n\
end\n\
grant.remaining = grant.remaining - own\n\
if into_hold then\n\
grant.held = grant.held + own\n\
end\n\
entries.touch(entry, grant)\n\
sources[1], sources[2] = grant_no, own\n\
end\n\
if atoms > own then\n\
local others = grants.take(wallet, entry, account, atoms - own, into_hold)\n\
for i = 1, #others do\n\
sources[#sources + 1] = others[i]\n\
end\n\
end\n\
return sources\n\
end\n\
return aside\n\
end\n\
modules['budgets'] = function()\n\
local counters = require('counters')\n\
local entries = require('entry')\n\
local budgets = {}\n\
local SENT = '>HHBdddB'\n\
local SENT_LENGTH = 30\n\
local COUNTER = '>BddB'\n\
local NUMBER_LENGTH = 8\n\
local TAG = '>I4HHHdd'\n\
local PLAIN = '>BddBddd'\n\
local PLAIN_LENGTH = 42\n\
local ROLLING_BUCKETS = 60\n\
local NONE = {}\n\
local SPENT_MAX = 4503599627370496\n\
local NEVER_ATOMS = 2 * 4503599627370496\n\
local TOLD_MAX = 64\n\
local function packing(count)\n\
return '>' .. string.rep('d', count)\n\
end\n\
local function read_numbers(packed, at, count)\n\
if count == 0 then\n\
return NONE, at\n\
end\n\
local numbers = { struct.unpack(packing(count), packed, at) }\n\
at = numbers[count + 1]\n\
numbers[count + 1] = nil\n\
return numbers, at\n\
end\n\
local function pack_numbers(numbers)\n\
return numbers[1] and struct.pack(packing(#numbers), unpack(numbers)) or ''\n\
end\n\
local function make(packed)\n\
local told, told_in, width, thresholds, buckets = NONE, 0, 0, NONE, NONE\n\
if packed and #packed == PLAIN_LENGTH then\n\
local name, spent, held, _\n\
_, told_in, width, _, name, spent, held = struct.unpack(PLAIN, packed)\n\
buckets = { name, spent, held }\n\
elseif packed then\n\
local told_count, thresholds_count, at\n\
told_count, told_in, width, thresholds_count, at = struct.unpack(COUNTER, packed)\n\
told, at = read_numbers(packed, at, told_count)\n\
thresholds, at = read_numbers(packed, at, thresholds_count)\n\
buckets = read_numbers(packed, at, (#packed - at + 1) / NUMBER_LENGTH)\n\
end\n\
return {\n\
name = false,\n\
told = told,\n\
told_in = told_in,\n\
width = width,\n\
thresholds = thresholds,\n\
buckets = buckets, -- names, spent and held, in turn, oldest first\n\
pack = false,\n\
touched_by = false,\n\
packed = false,\n\
no = 0,\n\
asset = 0,\n\
hard = 0,\n\
bucket = false,\n\
room = 0,\n\
}\n\
end\n\
local function pack(counter)\n\
local told, thresholds, buckets = counter.told, counter.thresholds, counter.buckets\n\
if #buckets == 3 and not told[1] and not thresholds[1] then\n\
return struct.pack(PLAIN, 0, counter.told_in, counter.width, 0, buckets[1], buckets[2], buckets[3])\n\
end\n\
return struct.pack(COUNTER, #told, counter.told_in, counter.width, #thresholds)\n\
.. pack_numbers(told)\n\
.. pack_numbers(thresholds)\n\
.. pack_numbers(buckets)\n\
end\n\
local function forget_before(counter, first)\n\
local buckets = counter.buckets\n\
local gone = 0\n\
while buckets[gone + 1] and buckets[gone + 1] < first do\n\
gone = gone + 3\n\
end\n\
if gone > 0 then\n\
counter.buckets = { unpack(buckets, gone + 1) }\n\
end\n\
if counter.told_in < first and counter.told[1] then\n\
counter.told = NONE\n\
end\n\
end\n\
local function present_bucket(wallet, width)\n\
return math.floor(wallet.now_ms / width)\n\
end\n\
local function name_of(no)\n\
return string.format('b%d', no)\n\
end\n\
local function read_counters(wallet, names)\n\
local list = counters.read(wallet, names, make)\n\
for i = 1, #list do\n\
if list[i].width > 0 then\n\
forget_before(list[i], present_bucket(wallet, list[i].width) - ROLLING_BUCKETS + 1)\n\
end\n\
end\n\
return list\n\
end\n\
local function find_counters(wallet, tags)\n\
if tags[1].counter then\n\
return\n\
end\n\
local names = { nil, nil, nil, nil }\n\
for i = 1, #tags do\n\
names[i] = name_of(tags[i].no)\n\
end\n\
local list = read_counters(wallet, names)\n\
for i = 1, #tags do\n\
tags[i].counter = list[i]\n\
end\n\
end\n\
local function used(counter)\n\
local buckets = counter.buckets\n\
local spent, held = 0, 0\n\
for i = 1, #buckets, 3 do\n\
spent = spent + buckets[i + 1]\n\
held = held + buckets[i + 2]\n\
end\n\
return spent, held\n\
end\n\
local function buckets_of(wallet, from, till)\n\
if till == 0 then\n\
local bucket = present_bucket(wallet, from)\n\
return bucket, bucket - ROLLING_BUCKETS + 1, from\n\
elseif wallet.now_ms < from or wallet.now_ms >= till then\n\
return nil\n\
end\n\
return from, from, 0\n\
end\n\
local function tag_of(tags, no)\n\
for i = 1, #tags do\n\
if tags[i].no == no then\n\
return tags[i]\n\
end\n\
end\n\
end\n\
local function find_sent(packed)\n\
local places, names = { nil, nil, nil, nil }, { nil, nil, nil, nil }\n\
local at = 1\n\
while at <= #packed do\n\
local n = #places + 1\n\
places[n], names[n] = at, name_of((struct.unpack('>H', packed, at)))\n\
at = at + SENT_LENGTH + NUMBER_LENGTH * string.byte(packed, at + SENT_LENGTH - 1)\n\
end\n\
return places, names\n\
end\n\
local function tagged(list, tags)\n\
local found = {}\n\
for i = 1, #list do\n\
if tag_of(tags, list[i].no) then\n\
found[#found + 1] = list[i]\n\
end\n\
end\n\
return found\n\
end\n\
function budgets.open(wallet, packed, tags)\n\
if packed == '' then\n\
return NONE\n\
end\n\
local places, names = find_sent(packed)\n\
local list = read_counters(wallet, names)\n\
for i = 1, #list do\n\
local counter = list[i]\n\
local no, asset, hard, limit, from, till, count, at = struct.unpack(SENT, packed, places[i])\n\
local bucket, first, width = buckets_of(wallet, from, till)\n\
if not bucket then\n\
return nil\n\
end\n\
forget_before(counter, first)\n\
counter.width = width\n\
counter.thresholds = read_numbers(packed, at, count)\n\
local spent, held = used(counter)\n\
counter.no, counter.asset, counter.hard, counter.bucket = no, asset, hard, bucket\n\
counter.room = math.max(0, limit - spent - held)\n\
end\n\
return tags and tagged(list, tags) or list\n\
end\n\
function budgets.has_thresholds(list)\n\
for i = 1, #list do\n\
if list[i].thresholds[1] then\n\
return true\n\
end\n\
end\n\
return false\n\
end\n\
function budgets.tightest(list, asset)\n\
local room, no = NEVER_ATOMS, 0\n\
for i = 1, #list do\n\
local budget = list[i]\n\
if budget.hard == 1 and budget.asset == asset and budget.room < room then\n\
room, no = budget.room, budget.no\n\
end\n\
end\n\
return room, no\n\
end\n\
function budgets.text(list)\n\
local texts = {}\n\
for i, budget in ipairs(list) do\n\
texts[i] = string.format('%d %d %d', budget.no, used(budget))\n\
end\n\
return table.concat(texts, ' ')\n\
end\n\
local function place_of(counter, name)\n\
local buckets = counter.buckets\n\
for i = 1, #buckets, 3 do\n\
if buckets[i] == name then\n\
return i\n\
end\n\
end\n\
end\n\
local function change(entry, counter, place, spent_atoms, held_atoms)\n\
if spent_atoms == 0 and held_atoms == 0 then\n\
return\n\
end\n\
local buckets = counter.buckets\n\
buckets[place + 1] = math.min(buckets[place + 1] + spent_atoms, SPENT_MAX)\n\
buckets[place + 2] = buckets[place + 2] + held_atoms\n\
counters.touch(entry, counter, pack)\n\
end\n\
local function present(entry, counter)\n\
local place = place_of(counter, counter.bucket)\n\
if not place then\n\
local buckets = counter.buckets\n\
place = #buckets + 1\n\
if place == 1 then\n\
counter.buckets = { counter.bucket, 0, 0 }\n\
else\n\
buckets[place], buckets[place + 1], buckets[place + 2] = counter.bucket, 0, 0\n\
end\n\
counters.touch(entry, counter, pack)\n\
end\n\
return place\n\
end\n\
function budgets.charge(list, entry, asset, atoms)\n\
for i = 1, #list do\n\
local counter = list[i]\n\
if counter.asset == asset and atoms > 0 then\n\
change(entry, counter, present(entry, counter), atoms, 0)\n\
end\n\
end\n\
end\n\
local function pack_tag(no, asset, bucket, held)\n\
return struct.pack(TAG, 0, 0, no, asset, bucket, held)\n\
end\n\
function budgets.hold(list, entry, legs)\n\
local packed = { nil, nil, nil, nil }\n\
for i = 1, #list do\n\
local counter = list[i]\n\
local asset, atoms = counter.asset, 0\n\
for j = 1, #legs do\n\
if legs[j].asset == asset then\n\
atoms = legs[j].amount\n\
end\n\
end\n\
change(entry, counter, present(entry, counter), 0, atoms)\n\
packed[i] = pack_tag(counter.no, asset, counter.bucket, atoms)\n\
end\n\
return table.concat(packed)\n\
end\n\
function budgets.pack_tags(tags)\n\
local packed = { nil, nil, nil, nil }\n\
for i = 1, #tags do\n\
local tag = tags[i]\n\
packed[i] = pack_tag(tag.no, tag.asset, tag.bucket, tag.held)\n\
end\n\
return table.concat(packed)\n\
end\n\
function budgets.read_tag(packed, at)\n\
local _, _, no, asset, bucket, held, next_at = struct.unpack(TAG, packed, at)\n\
return { no = no, asset = asset, bucket = bucket, held = held, counter = false }, next_at\n\
end\n\
function budgets.extend(list, entry, asset, atoms, tags)\n\
for _, counter in ipairs(list) do\n\
if counter.asset == asset and atoms > 0 then\n\
local tag = tag_of(tags, counter.no)\n\
local before = place_of(counter, tag.bucket)\n\
if not before then\n\
tag.held = 0\n\
elseif tag.bucket ~= counter.bucket then\n\
change(entry, counter, before, 0, -tag.held)\n\
change(entry, counter, present(entry, counter), 0, tag.held)\n\
end\n\
tag.bucket = counter.bucket\n\
tag.held = tag.held + atoms\n\
change(entry, counter, present(entry, counter), 0, atoms)\n\
end\n\
end\n\
end\n\
function budgets.spend(wallet, entry, tags, asset, held_atoms, beyond_atoms)\n\
if not tags[1] then\n\
return\n\
end\n\
find_counters(wallet, tags)\n\
for i = 1, #tags do\n\
local tag = tags[i]\n\
if tag.asset == asset then\n\
local part = math.min(held_atoms, tag.held)\n\
tag.held = tag.held - part\n\
local place = place_of(tag.counter, tag.bucket)\n\
if place then\n\
change(entry, tag.counter, place, part + beyond_atoms, -part)\n\
end\n\
end\n\
end\n\
end\n\
function budgets.give_back(wallet, entry, tags)\n\
if not tags[1] then\n\
return\n\
end\n\
find_counters(wallet, tags)\n\
for i = 1, #tags do\n\
local tag = tags[i]\n\
local place = place_of(tag.counter, tag.bucket)\n\
if place then\n\
change(entry, tag.counter, place, 0, -tag.held)\n\
end\n\
tag.held = 0\n\
end\n\
end\n\
local function was_told(counter, threshold)\n\
for _, told in ipairs(counter.told) do\n\
if told == threshold then\n\
return true\n\
end\n\
end\n\
return false\n\
end\n\
function budgets.is_configured(config_text, counter_name)\n\
local named = string.format('\"no\":%s,', string.sub(counter_name, 2))\n\
return not config_text or string.find(config_text, named, 1, true) ~= nil\n\
end\n\
local function is_standing(wallet, counter)\n\
return counter.bucket or budgets.is_configured(redis.call('HGET', wallet.key, 'x'), counter.name)\n\
end\n\
local function tell(wallet, counter, threshold)\n\
if #counter.told == 0 then\n\
counter.told = {}\n\
counter.told_in = counter.width > 0 and present_bucket(wallet, counter.width) or counter.buckets[1]\n\
elseif #counter.told >= TOLD_MAX then\n\
table.remove(counter.told, 1)\n\
end\n\
counter.told[#counter.told + 1] = threshold\n\
local entry = entries.begin(14, nil)\n\
counters.touch(entry, counter, pack)\n\
entries.append(wallet, entry)\n\
end\n\
function budgets.alert(wallet)\n\
for _, counter in ipairs(wallet.counters_read or {}) do\n\
for _, threshold in ipairs(counter.thresholds or {}) do\n\
if used(counter) >= threshold and not was_told(counter, threshold) and is_standing(wallet, counter) then\n\
tell(wallet, counter, threshold)\n\
end\n\
end\n\
end\n\
end\n\
return budgets\n\
end\n\
modules['commit'] = function()\n\
local function commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
local wallet_key, outbox_key, entry_id, entry_packed, clock, record, keep_ms, ref, hold, expires_at_ms, member =\n\
unpack(wallet, 1, 11)\n\
if wallet_key then\n\
redis.call('HSET', wallet_key, unpack(wallet, 12))\n\
if hold then\n\
redis.call('HSET', holds_key, ref, hold)\n\
redis.call('ZADD', deadlines_key, expires_at_ms, member)\n\
elseif ref then\n\
redis.call('HDEL', holds_key, ref)\n\
redis.call('ZREM', deadlines_key, member)\n\
end\n\
if record then\n\
redis.call('SET', operation_key, record, 'PX', keep_ms)\n\
end\n\
redis.call('XADD', outbox_key, entry_id, 'e', entry_packed)\n\
redis.call('SET', clock_key, clock)\n\
return\n\
end\n\
if wallet.fields then\n\
redis.call('HSET', wallet.key, unpack(wallet.fields))\n\
if wallet.more_fields then\n\
for _, slice in ipairs(wallet.more_fields) do\n\
redis.call('HSET', wallet.key, unpack(slice))\n\
end\n\
end\n\
if wallet.fields_gone then\n\
redis.call('HDEL', wallet.key, unpack(wallet.fields_gone))\n\
end\n\
if wallet.holds then\n\
redis.call('HSET', holds_key, unpack(wallet.holds))\n\
if wallet.more_holds then\n\
for _, slice in ipairs(wallet.more_holds) do\n\
redis.call('HSET', holds_key, unpack(slice))\n\
end\n\
end\n\
end\n\
if wallet.holds_gone then\n\
redis.call('HDEL', holds_key, unpack(wallet.holds_gone))\n\
end\n\
if wallet.deadlines then\n\
redis.call('ZADD', deadlines_key, unpack(wallet.deadlines))\n\
if wallet.more_deadlines then\n\
for _, slice in ipairs(wallet.more_deadlines) do\n\
redis.call('ZADD', deadlines_key, unpack(slice))\n\
end\n\
end\n\
end\n\
if wallet.deadlines_gone then\n\
redis.call('ZREM', deadlines_key, unpack(wallet.deadlines_gone))\n\
end\n\
end\n\
if wallet.record then\n\
redis.call('SET', operation_key, wallet.record, 'PX', wallet.keep_ms)\n\
end\n\
if wallet.catalog_key then\n\
redis.call('HSET', wallet.catalog_key, wallet.environment, wallet.catalog_version)\n\
end\n\
if wallet.late_key then\n\
redis.call('SET', wallet.late_key, wallet.late_epoch, 'PX', wallet.late_keep_ms)\n\
end\n\
for _, entry in ipairs(wallet.entries) do\n\
redis.call('XADD', wallet.outbox_key, entry.id, 'e', entry.packed)\n\
end\n\
if wallet.clock then\n\
redis.call('SET', clock_key, wallet.clock)\n\
end\n\
end\n\
return commit\n\
end\n\
modules['counters'] = function()\n\
local counters = {}\n\
local function find(list, name)\n\
for i = 1, #list do\n\
if list[i].name == name then\n\
return list[i]\n\
end\n\
end\n\
end\n\
function counters.read(wallet, names, make)\n\
local read = wallet.counters_read\n\
if not read then\n\
read = { nil, nil, nil, nil }\n\
wallet.counters_read = read\n\
end\n\
local list, packed = { nil, nil, nil, nil }, nil\n\
for i = 1, #names do\n\
local name = names[i]\n\
local counter = find(read, name)\n\
if not counter then\n\
packed = packed or redis.call('HMGET', wallet.key, unpack(names))\n\
counter = make(packed[i])\n\
counter.name = name\n\
read[#read + 1] = counter\n\
end\n\
list[i] = counter\n\
end\n\
return list\n\
end\n\
function counters.get(wallet, name, make)\n\
return counters.read(wallet, { name }, make)[1]\n\
end\n\
function counters.touch(entry, counter, pack)\n\
if counter.touched_by ~= entry then\n\
counter.pack = pack\n\
counter.touched_by = entry\n\
entry.counters = entry.counters or { nil, nil, nil, nil }\n\
entry.counters[#entry.counters + 1] = counter\n\
end\n\
end\n\
function counters.pack(entry)\n\
if not entry.counters then\n\
return '\\0'\n\
end\n\
local parts = { struct.pack('>B', #entry.counters), nil, nil, nil, nil }\n\
for i = 1, #entry.counters do\n\
local counter = entry.counters[i]\n\
counter.packed = counter.pack(counter)\n\
parts[i + 1] = struct.pack('>Bc0Hc0', #counter.name, counter.name, #counter.packed, counter.packed)\n\
end\n\
return table.concat(parts)\n\
end\n\
function counters.add_fields(wallet, fields)\n\
local read = wallet.counters_read\n\
for i = 1, read and #read or 0 do\n\
local counter = read[i]\n\
if counter.packed then\n\
local n = #fields\n\
fields[n + 1], fields[n + 2] = counter.name, counter.packed\n\
end\n\
end\n\
end\n\
function counters.load(packed, at)\n\
return struct.unpack('>Bc0Hc0', packed, at)\n\
end\n\
return counters\n\
end\n\
modules['decide'] = function()\n\
local budgets = require('budgets')\n\
local wallets = require('wallet')\n\
local function of_account(wallet, account, leg, mode, room, budget_no, in_flight)\n\
local requested = leg.amount\n\
if requested == 0 then\n\
return requested\n\
elseif account.overage > 0 then\n\
return nil, 3, 0, 0\n\
end\n\
local available = account.available - account.scoped\n\
if leg.parts then\n\
available = require('scopes').reach(wallet, account, leg.parts)\n\
end\n\
if available >= requested and room >= requested then\n\
return requested\n\
end\n\
local affordable = math.min(available, room)\n\
if mode == 'up_to' and affordable > 0 then\n\
return affordable\n\
elseif room < available then\n\
return nil, 6, affordable, budget_no\n\
elseif available + account.held + in_flight >= requested then\n\
return nil, 2, affordable, 0\n\
end\n\
return nil, 1, affordable, 0\n\
end\n\
local function stood_in(wallet, list, budgets_sent)\n\
for i = 2, #list do\n\
local leg = list[i]\n\
local left, no = budgets.tightest(budgets_sent, leg.asset)\n\
if not of_account(wallet, wallets.account(wallet, leg.asset), leg, 'strict', left, no, 0) then\n\
return 0\n\
end\n\
end\n\
return list.stood_in or 0\n\
end\n\
local function decide(wallet, list, mode, budgets_sent)\n\
for i = 1, #list do\n\
local leg = list[i]\n\
local account = i == 1 and wallet.account or wallets.account(wallet, leg.asset)\n\
local room, no = budgets.tightest(budgets_sent, leg.asset)\n\
local how = list[2] and 'strict' or mode\n\
local in_flight = i == 1 and list.in_flight or 0\n\
local atoms, reason, affordable, budget_no = of_account(wallet, account, leg, how, room, no, in_flight)\n\
if not atoms and i == 1 and list[2] then\n\
local others = stood_in(wallet, list, budgets_sent)\n\
if mode == 'up_to' and others > 0 and account.overage == 0 then\n\
return affordable\n\
end\n\
affordable = affordable + (reason == 6 and 0 or others)\n\
end\n\
if not atoms then\n\
return nil, reason, i == 1 and affordable or 0, leg.asset, budget_no\n\
elseif not list[2] then\n\
return atoms\n\
end\n\
end\n\
return list[1].amount\n\
end\n\
return decide\n\
end\n\
modules['due'] = function()\n\
local entries = require('entry')\n\
local exact = require('exact')\n\
local grants = require('grants')\n\
local wallets = require('wallet')\n\
local due = {}\n\
local EVENT = '>dI4'\n\
local EVENT_LENGTH = 12\n\
local ROLLOVER = '>ddd'\n\
local MILLION = 1000000\n\
local function load(wallet)\n\
wallet.due = wallet.due or redis.call('HGET', wallet.key, 'd') or ''\n\
end\n\
local function soonest(wallet)\n\
if wallet.due == '' then\n\
return 4503599627370496\n\
end\n\
return (struct.unpack(EVENT, wallet.due))\n\
end\n\
local function prune(wallet)\n\
local kept = {}\n\
for at = 1, #wallet.due, EVENT_LENGTH do\n\
local _, grant_no = struct.unpack(EVENT, wallet.due, at)\n\
if wallets.terms(wallet, grant_no) then\n\
kept[#kept + 1] = string.sub(wallet.due, at, at + EVENT_LENGTH - 1)\n\
end\n\
end\n\
wallet.due = table.concat(kept)\n\
end\n\
function due.add(wallet, at_ms, grant_no)\n\
load(wallet)\n\
if #wallet.due > EVENT_LENGTH * 2 * (wallet.live_grants + 16) then\n\
prune(wallet)\n\
end\n\
local at = #wallet.due\n\
while at > 0 and struct.unpack(EVENT, wallet.due, at - EVENT_LENGTH + 1) > at_ms do\n\
at = at - EVENT_LENGTH\n\
end\n\
wallet.due = string.sub(wallet.due, 1, at) .. struct.pack(EVENT, at_ms, grant_no) .. string.sub(wallet.due, at + 1)\n\
wallet.due_at_ms = soonest(wallet)\n\
end\n\
function due.add_grant(wallet, grant_no, terms)\n\
if terms.state == 1 then\n\
due.add(wallet, terms.effective_at_ms, grant_no)\n\
end\n\
if terms.state <= 2 and terms.expires_at_ms < 4503599627370496 then\n\
due.add(wallet, terms.expires_at_ms, grant_no)\n\
end\n\
end\n\
local function activate(wallet, grant_no, terms, at_ms)\n\
local account = wallets.account(wallet, terms.asset)\n\
local entry = entries.begin(3, account)\n\
account.scheduled = account.scheduled - terms.amount\n\
account.changed = true\n\
entry.at_ms = at_ms\n\
grants.fund(wallet, entry, account, grant_no, terms)\n\
entries.append(wallet, entry)\n\
end\n\
local function rollover_of(wallet, grant_no)\n\
wallet.rollovers = wallet.rollovers or {}\n\
if wallet.rollovers[grant_no] == nil then\n\
wallet.rollovers[grant_no] = redis.call('HGET', wallet.key, string.format('r%d', grant_no))\n\
end\n\
return wallet.rollovers[grant_no]\n\
end\n\
function due.set_rollover(wallet, grant_no, packed)\n\
wallet.rollovers = wallet.rollovers or {}\n\
wallet.rollovers[grant_no] = packed\n\
wallet.rollovers_changed = wallet.rollovers_changed or {}\n\
wallet.rollovers_changed[grant_no] = true\n\
end\n\
local function roll_over(wallet, grant_no, terms, packed, at_ms)\n\
local account = wallets.account(wallet, terms.asset)\n\
local entry = entries.begin(15, account)\n\
local grant = wallets.grant(wallet, grant_no)\n\
local parts, most, until_ms = struct.unpack(ROLLOVER, packed)\n\
local share = exact.multiply_divide(grant.remaining, parts, MILLION)\n\
local kept = math.min(share, most)\n\
if kept == 0 and grant.held == 0 then\n\
return false\n\
end\n\
entries.transfer(entry, account, 1, 6, grant.remaining - kept)\n\
grants.leave_order(wallet, account, grant_no)\n\
grant.remaining = kept\n\
entries.touch(entry, grant)\n\
terms.expires_at_ms = until_ms\n\
terms.changed = true\n\
due.set_rollover(wallet, grant_no, false)\n\
if kept > 0 then\n\
grants.enter_order(wallet, account, grant_no)\n\
end\n\
if until_ms < 4503599627370496 then\n\
due.add(wallet, until_ms, grant_no)\n\
end\n\
entry.grant_no = grant_no\n\
entry.at_ms = at_ms\n\
entries.append(wallet, entry)\n\
return true\n\
end\n\
local function expire(wallet, grant_no, terms, at_ms)\n\
local rollover = rollover_of(wallet, grant_no)\n\
if rollover and roll_over(wallet, grant_no, terms, rollover, at_ms) then\n\
return\n\
end\n\
local account = wallets.account(wallet, terms.asset)\n\
local entry = entries.begin(10, account)\n\
local grant = wallets.grant(wallet, grant_no)\n\
entries.transfer(entry, account, 1, 6, grant.remaining)\n\
grants.leave_order(wallet, account, grant_no)\n\
grant.remaining = 0\n\
entries.touch(entry, grant)\n\
terms.state = 3\n\
terms.changed = true\n\
entry.grant_no = grant_no\n\
entry.at_ms = at_ms\n\
entries.append(wallet, entry)\n\
end\n\
function due.apply_some(wallet)\n\
load(wallet)\n\
local applied = 0\n\
while soonest(wallet) <= wallet.now_ms and applied < 16 do\n\
local at_ms, grant_no = struct.unpack(EVENT, wallet.due)\n\
wallet.due = string.sub(wallet.due, EVENT_LENGTH + 1)\n\
local terms = wallets.terms(wallet, grant_no)\n\
if terms and terms.state == 1 and terms.effective_at_ms <= at_ms then\n\
activate(wallet, grant_no, terms, math.max(at_ms, terms.created_at_ms))\n\
terms = wallets.terms(wallet, grant_no)\n\
end\n\
if terms and terms.state == 2 and terms.expires_at_ms <= at_ms then\n\
expire(wallet, grant_no, terms, math.max(at_ms, terms.created_at_ms))\n\
end\n\
applied = applied + 1\n\
end\n\
wallet.due_at_ms = soonest(wallet)\n\
return applied, wallet.due_at_ms > wallet.now_ms\n\
end\n\
function due.apply(wallet)\n\
local _, done = due.apply_some(wallet)\n\
return done\n\
end\n\
return due\n\
end\n\
modules['dues'] = function()\n\
local budgets = require('budgets')\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local legs = require('legs')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
local dues = {}\n\
local DUE = '>Hd'\n\
local DUE_LENGTH = 10\n\
function dues.assign(hold, amount_atoms, packed, lines)\n\
hold.legs[1].due = amount_atoms\n\
for at = 1, #packed, DUE_LENGTH do\n\
local asset, atoms = struct.unpack(DUE, packed, at)\n\
legs.of(hold.legs, asset).due = atoms\n\
end\n\
if #hold.legs > 8 then\n\
return { 'too_many_assets' }\n\
end\n\
local too_large = usage.add(lines, hold.legs, 'due')\n\
if too_large then\n\
return too_large\n\
end\n\
end\n\
local function has(wallet, leg, late)\n\
if late then\n\
return leg.released\n\
end\n\
return leg.parts and require('scopes').held(wallet, leg, leg.parts) or leg.held\n\
end\n\
local function usable(wallet, leg, late)\n\
if not late then\n\
return has(wallet, leg, late)\n\
end\n\
local account = wallets.account(wallet, leg.asset)\n\
local available = account.available - account.scoped\n\
if leg.parts then\n\
available = require('scopes').reach(wallet, account, leg.parts)\n\
end\n\
return math.min(leg.released, available)\n\
end\n\
local function within(due_atoms, within_atoms, on_excess)\n\
if due_atoms <= within_atoms or on_excess == 'charge' then\n\
return due_atoms\n\
end\n\
return on_excess == 'cap' and within_atoms or nil\n\
end\n\
function dues.bound(wallet, list, late, covered)\n\
for i = 1, #list do\n\
local leg = list[i]\n\
local account = wallets.account(wallet, leg.asset)\n\
if leg.parts then\n\
leg.from_available = require('scopes').beyond(wallet, account, leg, i == 1 and covered or 0, late)\n\
else\n\
leg.from_available = math.min(leg.excess, account.available - account.scoped - (late and leg.part or 0))\n\
end\n\
leg.from_overage = leg.excess - leg.from_available\n\
end\n\
end\n\
function dues.check(wallet, list)\n\
for i = 1, #list do\n\
local leg = list[i]\n\
local account = wallets.account(wallet, leg.asset)\n\
if\n\
leg.settled + leg.part + leg.excess > 4503599627370496\n\
or account.overage + leg.from_overage > 4503599627370496\n\
then\n\
return { 'out_of_bounds', 1 }\n\
end\n\
end\n\
end\n\
function dues.plan(wallet, list, late, on_excess)\n\
local first = list[1]\n\
local within_atoms, short_asset = has(wallet, first, late), first.asset\n\
for i = 2, #list do\n\
local leg = list[i]\n\
local has_atoms = has(wallet, leg, late)\n\
local spend_atoms = within(leg.due or 0, has_atoms, on_excess)\n\
if not spend_atoms then\n\
within_atoms, short_asset = has_atoms, leg.asset\n\
return { 'exceeds_hold', within_atoms, short_asset }\n\
end\n\
leg.part = math.min(spend_atoms, usable(wallet, leg, late))\n\
leg.excess = spend_atoms - leg.part\n\
within_atoms = within_atoms + legs.covers(leg, has_atoms - leg.part)\n\
end\n\
within_atoms = math.min(within_atoms, 4503599627370496)\n\
local left_atoms = within(first.due, within_atoms, on_excess)\n\
if not left_atoms then\n\
return { 'exceeds_hold', within_atoms, short_asset }\n\
end\n\
first.part = 0\n\
local due_atoms = left_atoms\n\
for i = 1, #list do\n\
local leg = list[i]\n\
local covered = math.min(left_atoms, legs.covers(leg, usable(wallet, leg, late) - leg.part))\n\
leg.part = leg.part + legs.convert(leg, covered)\n\
left_atoms = left_atoms - covered\n\
end\n\
first.excess = left_atoms\n\
dues.bound(wallet, list, late, due_atoms - first.part - left_atoms)\n\
end\n\
function dues.settle(wallet, entry, hold, late)\n\
for i = 1, #hold.legs do\n\
local leg = hold.legs[i]\n\
legs.settle(wallet, entry, leg, leg.part, late)\n\
budgets.spend(wallet, entry, hold.tags, leg.asset, late and 0 or leg.part, (late and leg.part or 0) + leg.excess)\n\
end\n\
for i = 1, #hold.legs do\n\
local leg = hold.legs[i]\n\
if leg.excess > 0 then\n\
local account = wallets.account(wallet, leg.asset)\n\
grants.take(wallet, entry, account, leg.from_available, false, leg.beyond)\n\
entries.transfer(entry, account, 1, 5, leg.from_available)\n\
entries.transfer(entry, account, 3, 5, leg.from_overage)\n\
leg.settled = leg.settled + leg.excess\n\
if late then\n\
leg.released = math.max(0, leg.released - leg.excess)\n\
end\n\
end\n\
end\n\
end\n\
return dues\n\
end\n\
modules['entry'] = function()\n\
local counters = require('counters')\n\
local triggers = require('triggers')\n\
local wallets = require('wallet')\n\
local entries = {}\n\
local FORMAT = 1\n\
local NO_GRANT = '\\0\\0\\0\\0'\n\
local AVAILABLE, HELD, OVERAGE = 1, 2, 3\n\
function entries.begin(kind, account)\n\
return {\n\
kind = kind,\n\
accounts = { account },\n\
transfers = false, -- debit, credit, atoms, account, in turn\n\
touched = false,\n\
hold_ref = false,\n\
hold_status = false,\n\
hold_packed = false,\n\
}\n\
end\n\
local function add_leg(entry, account)\n\
local accounts = entry.accounts\n\
for i = 1, #accounts do\n\
if accounts[i] == account then\n\
return\n\
end\n\
end\n\
accounts[#accounts + 1] = account\n\
end\n\
function entries.transfer(entry, account, debit, credit, atoms)\n\
if atoms == 0 then\n\
return\n\
end\n\
if entry.accounts[1] ~= account then\n\
add_leg(entry, account)\n\
end\n\
if debit == AVAILABLE then\n\
account.available = account.available - atoms\n\
elseif debit == HELD then\n\
account.held = account.held - atoms\n\
elseif debit == OVERAGE then\n\
account.overage = account.overage + atoms\n\
end\n\
if credit == AVAILABLE then\n\
account.available = account.available + atoms\n\
elseif credit == HELD then\n\
account.held = account.held + atoms\n\
elseif credit == OVERAGE then\n\
account.overage = account.overage - atoms\n\
end\n\
account.changed = true\n\
local transfers = entry.transfers\n\
if not transfers then\n\
entry.transfers = { debit, credit, atoms, account, nil, nil, nil, nil }\n\
return\n\
end\n\
for i = 1, #transfers, 4 do\n\
if transfers[i] == debit and transfers[i + 1] == credit and transfers[i + 3] == account then\n\
transfers[i + 2] = transfers[i + 2] + atoms\n\
return\n\
end\n\
end\n\
local n = #transfers\n\
transfers[n + 1], transfers[n + 2], transfers[n + 3], transfers[n + 4] = debit, credit, atoms, account\n\
end\n\
function entries.touch(entry, grant)\n\
grant.changed = true\n\
if grant.touched_by == entry then\n\
return\n\
end\n\
grant.touched_by = entry\n\
if entry.touched then\n\
entry.touched[#entry.touched + 1] = grant\n\
else\n\
entry.touched = { grant }\n\
end\n\
end\n\
local function pack_leg(account, transfers)\n\
if transfers and #transfers == 4 and transfers[4] == account then\n\
return struct.pack(\n\
'>HddddBBBd',\n\
account.asset,\n\
account.available,\n\
account.held,\n\
account.overage,\n\
account.scheduled,\n\
1,\n\
transfers[1],\n\
transfers[2],\n\
transfers[3]\n\
)\n\
end\n\
local count, packed = 0, ''\n\
for i = 1, transfers and #transfers or 0, 4 do\n\
if transfers[i + 3] == account then\n\
packed = packed .. struct.pack('>BBd', transfers[i], transfers[i + 1], transfers[i + 2])\n\
count = count + 1\n\
end\n\
end\n\
return struct.pack(\n\
'>HddddB',\n\
account.asset,\n\
account.available,\n\
account.held,\n\
account.overage,\n\
account.scheduled,\n\
count\n\
) .. packed\n\
end\n\
local function pack_legs(entry)\n\
local list = entry.accounts\n\
local packed = list[1] and pack_leg(list[1], entry.transfers) or ''\n\
for i = 2, #list do\n\
packed = packed .. pack_leg(list[i], entry.transfers)\n\
end\n\
return packed\n\
end\n\
local function pack_moves(list)\n\
if not list then\n\
return '\\0\\0'\n\
elseif not list[2] then\n\
return struct.pack('>HI4dd', 1, list[1].no, list[1].remaining, list[1].held)\n\
end\n\
local moves = { struct.pack('>H', #list) }\n\
for i = 1, #list do\n\
moves[i + 1] = struct.pack('>I4dd', list[i].no, list[i].remaining, list[i].held)\n\
end\n\
return table.concat(moves)\n\
end\n\
local function pack_hold(entry)\n\
if not entry.hold_ref then\n\
return '\\0'\n\
end\n\
return struct.pack('>Bc0BH', #entry.hold_ref, entry.hold_ref, entry.hold_status, #entry.hold_packed)\n\
.. entry.hold_packed\n\
end\n\
function entries.append(wallet, entry)\n\
wallet.version = wallet.version + 1\n\
wallet.seq = wallet.seq + 1\n\
local head = struct.pack(\n\
'>BBBBddI4c12c22B',\n\
FORMAT,\n\
entry.kind,\n\
entry.late and 1 or 0,\n\
wallet.freeze,\n\
wallet.version,\n\
entry.at_ms or wallet.now_ms,\n\
wallet.epoch,\n\
wallet.environment,\n\
wallet.id,\n\
#entry.accounts\n\
)\n\
for i = 1, #entry.accounts do\n\
if entry.accounts[i].fires_below then\n\
triggers.look(wallet, entry, entry.accounts[i])\n\
end\n\
end\n\
local packed = head .. pack_legs(entry) .. pack_moves(entry.touched)\n\
local touched = entry.touched\n\
for i = 1, touched and #touched or 0 do\n\
if touched[i].remaining == 0 and touched[i].held == 0 then\n\
wallets.end_grant(wallet, touched[i].no)\n\
end\n\
end\n\
local terms = NO_GRANT\n\
if entry.grant_no then\n\
terms = struct.pack('>I4', entry.grant_no) .. wallets.pack_terms(wallet.terms[entry.grant_no])\n\
end\n\
wallet.entries[#wallet.entries + 1] = {\n\
id = string.format('%d-0', wallet.seq),\n\
packed = packed .. terms .. pack_hold(entry) .. counters.pack(entry),\n\
}\n\
end\n\
return entries\n\
end\n\
modules['exact'] = function()\n\
local exact = {}\n\
local BASE = 1000000\n\
local ATOMS_MAX = 4503599627370496\n\
local EXACT_MAX = 9007199254740992\n\
function exact.of(number)\n\
local limbs = {}\n\
repeat\n\
local limb = number % BASE\n\
limbs[#limbs + 1] = limb\n\
number = (number - limb) / BASE\n\
until number == 0\n\
return limbs\n\
end\n\
function exact.read(packed, at, count)\n\
local limbs = {}\n\
for i = 1, count do\n\
limbs[i], at = struct.unpack('>I4', packed, at)\n\
end\n\
return limbs\n\
end\n\
function exact.add_product(sum, a, b)\n\
for i = 1, #a do\n\
local limb = a[i]\n\
for j = 1, #b do\n\
local at = i + j - 1\n\
sum[at] = (sum[at] or 0) + limb * b[j]\n\
end\n\
end\n\
end\n\
local function carry(limbs)\n\
local rest = 0\n\
local i = 1\n\
while i <= #limbs or rest > 0 do\n\
local value = (limbs[i] or 0) + rest\n\
local limb = value % BASE\n\
limbs[i] = limb\n\
rest = (value - limb) / BASE\n\
i = i + 1\n\
end\n\
end\n\
function exact.divide_up(limbs, dropped, divisor)\n\
carry(limbs)\n\
local quotient, rest = 0, 0\n\
for i = #limbs, dropped + 1, -1 do\n\
local value = rest * BASE + limbs[i]\n\
rest = value % divisor\n\
quotient = quotient * BASE + (value - rest) / divisor\n\
end\n\
for i = 1, dropped do\n\
rest = rest + (limbs[i] or 0)\n\
end\n\
if rest > 0 then\n\
quotient = quotient + 1\n\
end\n\
if quotient > ATOMS_MAX then\n\
return nil\n\
end\n\
return quotient\n\
end\n\
function exact.multiply_divide(a, b, c)\n\
if a * b < EXACT_MAX then\n\
local rest = (a * b) % c\n\
return (a * b - rest) / c, rest\n\
end\n\
local rest_of_a = a % c\n\
local quotient_of_a = (a - rest_of_a) / c\n\
local quotient, rest = 0, 0\n\
local power = 4503599627370496\n\
while power >= 1 do\n\
quotient, rest = quotient * 2, rest * 2\n\
if rest >= c then\n\
quotient, rest = quotient + 1, rest - c\n\
end\n\
if b >= power then\n\
b = b - power\n\
quotient, rest = quotient + quotient_of_a, rest + rest_of_a\n\
if rest >= c then\n\
quotient, rest = quotient + 1, rest - c\n\
end\n\
end\n\
if quotient > EXACT_MAX then\n\
return EXACT_MAX, 0\n\
end\n\
power = power / 2\n\
end\n\
return quotient, rest\n\
end\n\
return exact\n\
end\n\
modules['fallback'] = function()\n\
local legs = require('legs')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
local fallback = {}\n\
local LINE = '>HdBB'\n\
local RATE = '>Hdd'\n\
local function make_line(asset, atoms, scopes)\n\
local own = { asset = asset, num = 1, den = 1, covered = 0, taken = 0 }\n\
return { asset = asset, atoms = atoms, scopes = scopes, rates = { own } }\n\
end\n\
local function read(packed, priced)\n\
local lines, at = {}, 1\n\
while at <= #packed do\n\
local asset, atoms, priced_no, count\n\
asset, atoms, priced_no, count, at = struct.unpack(LINE, packed, at)\n\
local line = make_line(asset, atoms + (priced_no > 0 and priced[priced_no].atoms or 0))\n\
for i = 1, count do\n\
local rate = { covered = 0, taken = 0 }\n\
rate.asset, rate.num, rate.den, at = struct.unpack(RATE, packed, at)\n\
line.rates[i + 1] = rate\n\
end\n\
local scopes_count = string.byte(packed, at)\n\
line.scopes = { string.byte(packed, at + 1, at + scopes_count) }\n\
at = at + scopes_count + 1\n\
lines[#lines + 1] = line\n\
end\n\
return lines\n\
end\n\
local function make_pool(left, parts, look)\n\
return { left = left, taken = 0, parts = parts, look = look }\n\
end\n\
local function reach(pool, atoms, scopes)\n\
atoms = math.min(atoms, pool.left)\n\
if not pool.parts then\n\
return atoms\n\
end\n\
local part = { atoms = atoms, scopes = scopes }\n\
pool.parts[#pool.parts + 1] = part\n\
pool.look(pool.parts)\n\
return part.got\n\
end\n\
local function take(pool, atoms)\n\
pool.left = pool.left - atoms\n\
pool.taken = pool.taken + atoms\n\
if pool.parts then\n\
local part = pool.parts[#pool.parts]\n\
part.atoms, part.got = atoms, atoms\n\
end\n\
end\n\
local function draw(line, atoms, pool_of)\n\
for _, rate in ipairs(line.rates) do\n\
local pool = atoms > 0 and pool_of(rate.asset)\n\
if pool then\n\
local all = rate.covered + atoms\n\
local wanted = legs.convert(rate, all) - rate.taken\n\
local there = reach(pool, wanted, line.scopes)\n\
local covered = there == wanted and all or legs.covers(rate, rate.taken + there)\n\
local taken = legs.convert(rate, covered)\n\
take(pool, taken - rate.taken)\n\
atoms = all - covered\n\
rate.covered, rate.taken = covered, taken\n\
end\n\
end\n\
return atoms\n\
end\n\
local function pools_by(make)\n\
local pools = {}\n\
return function(asset)\n\
if pools[asset] == nil then\n\
pools[asset] = make(asset)\n\
end\n\
return pools[asset]\n\
end,\n\
pools\n\
end\n\
local function set_apart(list, lines, of)\n\
for _, line in ipairs(lines) do\n\
local leg = legs.of(list, line.asset)\n\
leg[of] = leg[of] - line.atoms\n\
end\n\
end\n\
local function ask_pool(wallet, leg, asset, is_scoped)\n\
local account = wallets.account(wallet, asset)\n\
if is_scoped then\n\
return make_pool(account.overage > 0 and 0 or 4503599627370496, leg and leg.parts or {}, function(parts)\n\
require('scopes').reach(wallet, account, parts)\n\
end)\n\
end\n\
local left = account.available - account.scoped - (leg and leg.amount or 0)\n\
return make_pool(math.max(0, left))\n\
end\n\
function fallback.spread(wallet, list, packed, priced, is_scoped)\n\
local lines = read(packed, priced)\n\
local is_first_only, stood_in = not list[2], 0\n\
list.in_flight = 0\n\
set_apart(list, lines, 'amount')\n\
local pool_of = pools_by(function(asset)\n\
return ask_pool(wallet, legs.find(list, asset), asset, is_scoped)\n\
end)\n\
for _, line in ipairs(lines) do\n\
local left = draw(line, line.atoms, pool_of)\n\
if left > 0 then\n\
local own = line.rates[1]\n\
own.taken = own.taken + left\n\
if is_scoped then\n\
local parts = pool_of(line.asset).parts\n\
parts[#parts + 1] = { atoms = left, scopes = line.scopes }\n\
end\n\
end\n\
for i, rate in ipairs(line.rates) do\n\
if rate.taken > 0 then\n\
local leg = legs.of(list, rate.asset)\n\
leg.amount = leg.amount + rate.taken\n\
leg.parts = pool_of(rate.asset).parts\n\
if i > 1 and line.asset == list[1].asset and leg.num == 0 then\n\
leg.num, leg.den = rate.num, rate.den\n\
end\n\
end\n\
if i > 1 then\n\
stood_in = stood_in + rate.covered\n\
local in_flight = left > 0 and wallets.account(wallet, rate.asset).held or 0\n\
list.in_flight = list.in_flight + legs.covers(rate, in_flight)\n\
end\n\
end\n\
end\n\
list.stood_in = is_first_only and stood_in or nil\n\
end\n\
local function all_lines(list, lines)\n\
local all = {}\n\
for _, leg in ipairs(list) do\n\
for _, part in ipairs(leg.parts or { { atoms = leg.due or 0, scopes = {} } }) do\n\
all[#all + 1] = make_line(leg.asset, part.atoms, part.scopes)\n\
end\n\
leg.parts = nil\n\
end\n\
for _, line in ipairs(lines) do\n\
all[#all + 1] = line\n\
end\n\
return all\n\
end\n\
local function terms_pool(wallet, leg, is_scoped, late)\n\
if late or not is_scoped then\n\
return make_pool(late and leg.released or leg.held)\n\
end\n\
return make_pool(leg.held, {}, function(parts)\n\
require('scopes').held(wallet, leg, parts)\n\
end)\n\
end\n\
local function held_pool(wallet, leg, is_scoped, late)\n\
if not late then\n\
return terms_pool(wallet, leg, is_scoped, late)\n\
end\n\
local account = wallets.account(wallet, leg.asset)\n\
if not is_scoped then\n\
return make_pool(math.min(leg.released, account.available - account.scoped))\n\
end\n\
return make_pool(leg.released, {}, function(parts)\n\
require('scopes').reach(wallet, account, parts)\n\
end)\n\
end\n\
local function account_pool(wallet, leg, asset, is_scoped, late)\n\
local account = wallets.account(wallet, asset)\n\
if not is_scoped then\n\
return make_pool(account.available - account.scoped - (late and leg and leg.part or 0))\n\
end\n\
local parts = { unpack(late and leg and leg.parts or {}) }\n\
local pool = make_pool(4503599627370496, parts, function(of)\n\
require('scopes').reach(wallet, account, of)\n\
end)\n\
pool.given = #parts\n\
return pool\n\
end\n\
function fallback.keep_within(all, pool_of, on_excess)\n\
local within, short = {}, nil\n\
for _, line in ipairs(all) do\n\
local left = draw(line, line.atoms, pool_of)\n\
within[line.asset] = (within[line.asset] or 0) + line.atoms - left\n\
short = short or (left > 0 and line)\n\
line.atoms = line.atoms - left\n\
for _, rate in ipairs(line.rates) do\n\
rate.covered, rate.taken = 0, 0\n\
end\n\
end\n\
if short and on_excess == 'reject' then\n\
local within_atoms, short_asset = within[short.asset], short.asset\n\
return { 'exceeds_hold', within_atoms, short_asset }\n\
end\n\
end\n\
function fallback.plan(wallet, hold, packed, priced, scopes_packed, late, on_excess)\n\
local list, lines = hold.legs, read(packed, priced)\n\
local is_scoped = hold.scopes ~= nil or scopes_packed ~= ''\n\
if scopes_packed ~= '' then\n\
require('scopes').read(scopes_packed, list)\n\
usage.add_to_parts(priced, list)\n\
end\n\
set_apart(list, lines, 'due')\n\
local all = all_lines(list, lines)\n\
local function pools_of_legs(make)\n\
return pools_by(function(asset)\n\
local leg = legs.find(list, asset)\n\
return leg and make(wallet, leg, is_scoped, late) or false\n\
end)\n\
end\n\
if on_excess ~= 'charge' then\n\
local refusal = fallback.keep_within(all, pools_of_legs(terms_pool), on_excess)\n\
if refusal then\n\
return refusal\n\
end\n\
end\n\
local held_of, held = pools_of_legs(held_pool)\n\
for _, line in ipairs(all) do\n\
line.left = draw(line, line.atoms, held_of)\n\
end\n\
for _, leg in ipairs(list) do\n\
local pool = held[leg.asset] or { taken = 0 }\n\
leg.part, leg.parts = pool.taken, pool.parts\n\
leg.from_available, leg.from_overage = 0, 0\n\
end\n\
local account_of, accounts = pools_by(function(asset)\n\
return account_pool(wallet, legs.find(list, asset), asset, is_scoped, late)\n\
end)\n\
for _, line in ipairs(all) do\n\
local left = draw(line, line.left, account_of)\n\
for _, rate in ipairs(line.rates) do\n\
local pool = accounts[rate.asset]\n\
if pool and pool.taken > 0 then\n\
local leg = legs.of(list, rate.asset)\n\
leg.part, leg.from_overage = leg.part or 0, leg.from_overage or 0\n\
leg.from_available = pool.taken\n\
leg.beyond = pool.parts and { unpack(pool.parts, pool.given + 1) }\n\
end\n\
end\n\
local own = legs.of(list, line.asset)\n\
own.from_overage = own.from_overage + left\n\
end\n\
for _, leg in ipairs(list) do\n\
leg.excess = leg.from_available + leg.from_overage\n\
end\n\
if #list > 8 then\n\
return { 'too_many_assets' }\n\
end\n\
end\n\
return fallback\n\
end\n\
modules['grants'] = function()\n\
local entries = require('entry')\n\
local order = require('order')\n\
local wallets = require('wallet')\n\
local grants = {}\n\
local AVAILABLE, HELD, OVERAGE = 1, 2, 3\n\
local NUMBER_LENGTH = order.NUMBER_LENGTH\n\
local NONE = {}\n\
function grants.enter_order(wallet, account, grant_no)\n\
if wallets.terms(wallet, grant_no).scope > 0 then\n\
return require('scopes').enter(wallet, account, grant_no)\n\
end\n\
account.order = order.insert(wallet, account.order, grant_no)\n\
account.order_changed = true\n\
end\n\
function grants.leave_order(wallet, account, grant_no)\n\
if wallets.terms(wallet, grant_no).scope > 0 then\n\
return require('scopes').leave(wallet, account, grant_no)\n\
end\n\
local rest = order.remove(account.order, grant_no)\n\
if rest then\n\
account.order = rest\n\
account.order_changed = true\n\
end\n\
end\n\
function grants.take(wallet, entry, account, atoms, into_hold, parts)\n\
if parts then\n\
return require('scopes').take(wallet, entry, account, atoms, into_hold, parts)\n\
end\n\
local sources\n\
local at = 1\n\
local missing = atoms\n\
while missing > 0 do\n\
local grant_no = struct.unpack('>I4', account.order, at)\n\
local grant = wallets.grant(wallet, grant_no)\n\
local part = math.min(missing, grant.remaining)\n\
missing = missing - part\n\
grant.remaining = grant.remaining - part\n\
if into_hold then\n\
grant.held = grant.held + part\n\
end\n\
entries.touch(entry, grant)\n\
if sources then\n\
local n = #sources\n\
sources[n + 1], sources[n + 2] = grant_no, part\n\
else\n\
sources = { grant_no, part }\n\
end\n\
if grant.remaining == 0 then\n\
at = at + NUMBER_LENGTH\n\
end\n\
end\n\
if at > 1 then\n\
account.order = string.sub(account.order, at)\n\
account.order_changed = true\n\
end\n\
return sources or NONE\n\
end\n\
function grants.spend_held(wallet, entry, leg, atoms)\n\
if leg.parts then\n\
return require('scopes').spend_held(wallet, entry, leg, atoms)\n\
end\n\
local sources, rest = leg.sources, NONE\n\
for i = 1, #sources, 2 do\n\
local part = math.min(atoms, sources[i + 1])\n\
atoms = atoms - part\n\
if part > 0 then\n\
local grant = wallets.grant(wallet, sources[i])\n\
grant.held = grant.held - part\n\
entries.touch(entry, grant)\n\
end\n\
if sources[i + 1] > part and rest == NONE then\n\
rest = { sources[i], sources[i + 1] - part }\n\
elseif sources[i + 1] > part then\n\
rest[#rest + 1] = sources[i]\n\
rest[#rest + 1] = sources[i + 1] - part\n\
end\n\
end\n\
leg.sources = rest\n\
end\n\
local function stands_first(account, grant_no)\n\
return account.order ~= '' and struct.unpack('>I4', account.order) == grant_no\n\
end\n\
function grants.give_back(wallet, entry, leg, leaving)\n\
local account = wallets.account(wallet, leg.asset)\n\
for i = #leg.sources - 1, 1, -2 do\n\
local grant_no, atoms = leg.sources[i], leg.sources[i + 1]\n\
local grant = wallets.grant(wallet, grant_no)\n\
local scope, is_active = 0, true\n\
if not stands_first(account, grant_no) then\n\
local terms = wallets.terms(wallet, grant_no)\n\
scope, is_active = terms.scope, terms.state == 2\n\
end\n\
local repaid = scope > 0 and 0 or math.min(account.overage, atoms)\n\
local back = atoms - repaid\n\
grant.held = grant.held - atoms\n\
entries.touch(entry, grant)\n\
entries.transfer(entry, account, HELD, OVERAGE, repaid)\n\
entries.transfer(entry, account, HELD, AVAILABLE, back)\n\
if back > 0 then\n\
grant.remaining = grant.remaining + back\n\
if not is_active then\n\
leaving = leaving or {}\n\
leaving[#leaving + 1] = grant_no\n\
elseif grant.remaining == back then\n\
grants.enter_order(wallet, account, grant_no)\n\
elseif scope > 0 then\n\
require('scopes').add(wallet, account, scope, back)\n\
end\n\
end\n\
end\n\
leg.sources = NONE\n\
return leaving\n\
end\n\
function grants.leave(wallet, leaving)\n\
for i = 1, #leaving do\n\
local grant_no = leaving[i]\n\
local terms = wallets.terms(wallet, grant_no)\n\
local account = wallets.account(wallet, terms.asset)\n\
local voided = terms.state == 4\n\
local entry = entries.begin(voided and 11 or 10, account)\n\
local grant = wallets.grant(wallet, grant_no)\n\
local to = voided and 7 or 6\n\
entries.transfer(entry, account, AVAILABLE, to, grant.remaining)\n\
grant.remaining = 0\n\
entries.touch(entry, grant)\n\
entry.grant_no = grant_no\n\
entries.append(wallet, entry)\n\
end\n\
end\n\
function grants.fund(wallet, entry, account, grant_no, terms)\n\
local repaid = terms.scope > 0 and 0 or math.min(account.overage, terms.amount)\n\
entries.transfer(entry, account, 4, OVERAGE, repaid)\n\
entries.transfer(entry, account, 4, AVAILABLE, terms.amount - repaid)\n\
local grant = { no = grant_no, field = string.format('g%d', grant_no), remaining = terms.amount - repaid, held = 0 }\n\
wallets.put_grant(wallet, grant)\n\
terms.state = 2\n\
terms.changed = true\n\
entries.touch(entry, grant)\n\
entry.grant_no = grant_no\n\
if grant.remaining > 0 then\n\
grants.enter_order(wallet, account, grant_no)\n\
end\n\
return grant\n\
end\n\
return grants\n\
end\n\
modules['holds'] = function()\n\
local budgets = require('budgets')\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local wallets = require('wallet')\n\
local holds = {}\n\
local TERMS = '>Hdddddd'\n\
local TERMS_LENGTH = 50\n\
local TERMS_AND_SOURCE = '>HddddddI4d'\n\
local SOURCE = '>I4d'\n\
local SOURCE_LENGTH = 12\n\
local NEXT_LEG = '>I4Hdddddd'\n\
local NEXT_LEG_LENGTH = 54\n\
local SCOPES = '>I4HHI4'\n\
local SCOPES_LENGTH = 12\n\
local NONE = {}\n\
local function pack_sources(sources, from)\n\
local packed = ''\n\
for i = from, #sources, 2 do\n\
packed = packed .. struct.pack(SOURCE, sources[i], sources[i + 1])\n\
end\n\
return packed\n\
end\n\
function holds.pack(hold)\n\
local first = hold.legs[1]\n\
local sources = first.sources\n\
local packed = struct.pack(\n\
sources[1] and TERMS_AND_SOURCE or TERMS,\n\
first.asset,\n\
first.amount,\n\
first.held,\n\
first.settled,\n\
first.released,\n\
hold.created_at_ms,\n\
hold.expires_at_ms,\n\
sources[1],\n\
sources[2]\n\
)\n\
if sources[3] then\n\
packed = packed .. pack_sources(sources, 3)\n\
end\n\
for i = 2, #hold.legs do\n\
local leg = hold.legs[i]\n\
packed = packed\n\
.. struct.pack(NEXT_LEG, 0, leg.asset, leg.amount, leg.held, leg.settled, leg.released, leg.num, leg.den)\n\
.. pack_sources(leg.sources, 1)\n\
end\n\
if hold.tags_packed then\n\
packed = packed .. hold.tags_packed\n\
elseif hold.tags[1] then\n\
packed = packed .. budgets.pack_tags(hold.tags)\n\
end\n\
if hold.scopes then\n\
packed = packed .. struct.pack(SCOPES, 0, 0, 0, #hold.scopes) .. string.char(unpack(hold.scopes))\n\
end\n\
return packed\n\
end\n\
local function make_leg(asset, amount, held, settled, released, num, den)\n\
return {\n\
asset = asset,\n\
amount = amount,\n\
held = held,\n\
settled = settled,\n\
released = released,\n\
num = num,\n\
den = den,\n\
sources = NONE,\n\
due = nil, -- a ninth, so that there is room for sixteen\n\
}\n\
end\n\
function holds.unpack(ref, packed)\n\
local asset, amount, held, settled, released, created_at_ms, expires_at_ms = struct.unpack(TERMS, packed)\n\
local leg = make_leg(asset, amount, held, settled, released, 1, 1)\n\
local hold = {\n\
ref = ref,\n\
legs = { leg },\n\
tags = NONE,\n\
created_at_ms = created_at_ms,\n\
expires_at_ms = expires_at_ms,\n\
}\n\
local at = TERMS_LENGTH + 1\n\
while at <= #packed do\n\
local grant_no, atoms = struct.unpack(SOURCE, packed, at)\n\
if grant_no > 0 and leg.sources == NONE then\n\
leg.sources = { grant_no, atoms }\n\
at = at + SOURCE_LENGTH\n\
elseif grant_no > 0 then\n\
leg.sources[#leg.sources + 1] = grant_no\n\
leg.sources[#leg.sources + 1] = atoms\n\
at = at + SOURCE_LENGTH\n\
elseif struct.unpack('>I4', packed, at + 4) == 0 then\n\
local _, _, _, count = struct.unpack(SCOPES, packed, at)\n\
hold.scopes = { string.byte(packed, at + SCOPES_LENGTH, at + SCOPES_LENGTH + count - 1) }\n\
at = at + SCOPES_LENGTH + count\n\
elseif struct.unpack('>H', packed, at + 4) == 0 then\n\
if hold.tags == NONE then\n\
hold.tags = { nil, nil, nil, nil }\n\
end\n\
hold.tags[#hold.tags + 1], at = budgets.read_tag(packed, at)\n\
else\n\
local _, of, leg_amount, leg_held, leg_settled, leg_released, num, den = struct.unpack(NEXT_LEG, packed, at)\n\
leg = make_leg(of, leg_amount, leg_held, leg_settled, leg_released, num, den)\n\
hold.legs[#hold.legs + 1] = leg\n\
at = at + NEXT_LEG_LENGTH\n\
end\n\
end\n\
return hold\n\
end\n\
function holds.take(wallet, entry, leg, atoms)\n\
local account = wallets.account(wallet, leg.asset)\n\
local taken = grants.take(wallet, entry, account, atoms, true, leg.parts)\n\
entries.transfer(entry, account, 1, 2, atoms)\n\
leg.held = leg.held + atoms\n\
if not leg.sources or #leg.sources == 0 then\n\
leg.sources = taken\n\
return\n\
end\n\
local place_of = {}\n\
for i = 1, #leg.sources, 2 do\n\
place_of[leg.sources[i]] = i\n\
end\n\
for i = 1, #taken, 2 do\n\
local place = place_of[taken[i]]\n\
if place then\n\
leg.sources[place + 1] = leg.sources[place + 1] + taken[i + 1]\n\
else\n\
leg.sources[#leg.sources + 1] = taken[i]\n\
leg.sources[#leg.sources + 1] = taken[i + 1]\n\
end\n\
end\n\
end\n\
function holds.open(wallet, entry, list, sent, ttl_ms, scopes)\n\
for i = 1, #list do\n\
holds.take(wallet, entry, list[i], list[i].amount)\n\
end\n\
wallet.open_holds = wallet.open_holds + 1\n\
holds.keep(wallet, entry, {\n\
ref = string.format('%d.%d', wallet.epoch, wallet.version + 1),\n\
legs = list,\n\
tags_packed = budgets.hold(sent, entry, list),\n\
scopes = scopes,\n\
created_at_ms = wallet.now_ms,\n\
expires_at_ms = wallet.now_ms + ttl_ms,\n\
}, true)\n\
end\n\
function holds.read(holds_key, ref)\n\
local packed = redis.call('HGET', holds_key, ref)\n\
return packed and holds.unpack(ref, packed)\n\
end\n\
function holds.load(wallet, packed, at)\n\
local ref, record, next_at = struct.unpack('>Bc0Hc0', packed, at)\n\
wallets.add(wallet, 'holds', ref, record)\n\
holds.count(wallet, holds.unpack(ref, record))\n\
return next_at\n\
end\n\
function holds.count(wallet, hold)\n\
wallets.add(wallet, 'deadlines', string.format('%d', hold.expires_at_ms), wallet.id .. hold.ref)\n\
wallet.open_holds = wallet.open_holds + 1\n\
end\n\
function holds.keep(wallet, entry, hold, deadline_moved)\n\
entry.hold_ref = hold.ref\n\
entry.hold_status = 1\n\
entry.hold_packed = holds.pack(hold)\n\
wallets.add(wallet, 'holds', hold.ref, entry.hold_packed)\n\
if deadline_moved then\n\
wallets.add(wallet, 'deadlines', string.format('%d', hold.expires_at_ms), wallet.id .. hold.ref)\n\
end\n\
end\n\
function holds.close(wallet, entry, hold, status)\n\
local leaving\n\
for i = 1, #hold.legs do\n\
local leg = hold.legs[i]\n\
leg.released = leg.released + leg.held\n\
leg.held = 0\n\
leaving = grants.give_back(wallet, entry, leg, leaving)\n\
end\n\
budgets.give_back(wallet, entry, hold.tags)\n\
entry.hold_ref = hold.ref\n\
entry.hold_status = status\n\
entry.hold_packed = holds.pack(hold)\n\
wallets.add(wallet, 'holds_gone', hold.ref)\n\
wallets.add(wallet, 'deadlines_gone', wallet.id .. hold.ref)\n\
wallet.open_holds = wallet.open_holds - 1\n\
entries.append(wallet, entry)\n\
if leaving then\n\
grants.leave(wallet, leaving)\n\
end\n\
end\n\
function holds.expire(wallet, hold)\n\
local account = wallets.account(wallet, hold.legs[1].asset)\n\
holds.close(wallet, entries.begin(8, account), hold, 4)\n\
end\n\
function holds.overdue(wallet, deadlines_key)\n\
local members =\n\
redis.call('ZRANGE', deadlines_key, '-inf', wallet.now_ms, 'BYSCORE', 'LIMIT', 0, 256)\n\
local refs = {}\n\
for _, member in ipairs(members) do\n\
if string.sub(member, 1, #wallet.id) == wallet.id and #member > #wallet.id then\n\
refs[#refs + 1] = string.sub(member, #wallet.id + 1)\n\
end\n\
end\n\
return table.concat(refs, ' ')\n\
end\n\
return holds\n\
end\n\
modules['legs'] = function()\n\
local entries = require('entry')\n\
local exact = require('exact')\n\
local grants = require('grants')\n\
local wallets = require('wallet')\n\
local legs = {}\n\
local ASKED = '>Hddd'\n\
local ASKED_LENGTH = 26\n\
function legs.make(asset, atoms, num, den)\n\
return { asset = asset, amount = atoms, held = 0, settled = 0, released = 0, num = num, den = den }\n\
end\n\
function legs.list(asset, atoms, packed, scopes_packed)\n\
local list = { legs.make(asset, atoms, 1, 1) }\n\
for at = 1, #packed, ASKED_LENGTH do\n\
list[#list + 1] = legs.make(struct.unpack(ASKED, packed, at))\n\
end\n\
if scopes_packed ~= '' then\n\
return list, require('scopes').read(scopes_packed, list)\n\
end\n\
return list\n\
end\n\
function legs.find(list, asset)\n\
for i = 1, #list do\n\
if list[i].asset == asset then\n\
return list[i]\n\
end\n\
end\n\
end\n\
function legs.of(list, asset)\n\
local leg = legs.find(list, asset)\n\
if not leg then\n\
leg = legs.make(asset, 0, 0, 0)\n\
leg.sources = {}\n\
list[#list + 1] = leg\n\
end\n\
return leg\n\
end\n\
function legs.covers(leg, atoms)\n\
if leg.num == leg.den and leg.num > 0 then\n\
return atoms\n\
elseif leg.num == 0 then\n\
return 0\n\
end\n\
local covered = exact.multiply_divide(atoms, leg.den, leg.num)\n\
return math.min(covered, 4503599627370496)\n\
end\n\
function legs.convert(leg, atoms)\n\
if leg.num == leg.den then\n\
return atoms\n\
end\n\
local converted, rest = exact.multiply_divide(atoms, leg.num, leg.den)\n\
return rest > 0 and converted + 1 or converted\n\
end\n\
function legs.worth(list, of)\n\
if not list[2] then\n\
return list[1][of]\n\
end\n\
local atoms = 0\n\
for i = 1, #list do\n\
atoms = atoms + legs.covers(list[i], list[i][of])\n\
end\n\
return math.min(atoms, 4503599627370496)\n\
end\n\
function legs.settle(wallet, entry, leg, atoms, late)\n\
local account = wallets.account(wallet, leg.asset)\n\
if late then\n\
grants.take(wallet, entry, account, atoms, false, leg.parts)\n\
entries.transfer(entry, account, 1, 5, atoms)\n\
leg.released = leg.released - atoms\n\
else\n\
grants.spend_held(wallet, entry, leg, atoms)\n\
entries.transfer(entry, account, 2, 5, atoms)\n\
leg.held = leg.held - atoms\n\
end\n\
leg.settled = leg.settled + atoms\n\
end\n\
function legs.text(wallet, list)\n\
if not list[2] then\n\
return ''\n\
end\n\
local texts = {}\n\
for i, leg in ipairs(list) do\n\
local account = wallets.account(wallet, leg.asset)\n\
texts[i] = string.format(\n\
'%d %d %d %d %d %d %d %d',\n\
leg.asset,\n\
leg.amount,\n\
leg.held,\n\
leg.settled,\n\
leg.released,\n\
account.available,\n\
account.held,\n\
account.overage\n\
)\n\
end\n\
return table.concat(texts, ' ')\n\
end\n\
function legs.sources_text(list)\n\
local texts = {}\n\
for _, leg in ipairs(list) do\n\
for i = 1, #leg.sources do\n\
texts[#texts + 1] = string.format('%d', leg.sources[i])\n\
end\n\
end\n\
return table.concat(texts, ' ')\n\
end\n\
return legs\n\
end\n\
modules['operation'] = function()\n\
local operation = {}\n\
local FINGERPRINT_LENGTH = 11\n\
local FORMATS = {\n\
'>Bd',\n\
'>Bdd',\n\
'>Bddd',\n\
'>Bdddd',\n\
'>Bddddd',\n\
'>Bdddddd',\n\
'>Bddddddd',\n\
'>Bdddddddd',\n\
'>Bddddddddd',\n\
'>Bdddddddddd',\n\
'>Bddddddddddd',\n\
'>Bdddddddddddd',\n\
}\n\
function operation.pack(reply)\n\
local count = #reply - 1\n\
while count > 0 and type(reply[count + 1]) == 'string' do\n\
count = count - 1\n\
end\n\
local text_at = count + 2\n\
return reply[1]\n\
.. '\\0'\n\
.. struct.pack(FORMATS[count], count, unpack(reply, 2, text_at - 1))\n\
.. table.concat(reply, '\\0', text_at)\n\
end\n\
function operation.replay(record, fingerprint)\n\
if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then\n\
return { 'conflict' }\n\
end\n\
return { 'replayed', string.sub(record, FINGERPRINT_LENGTH + 1) }\n\
end\n\
function operation.epoch(record)\n\
local zero_at = string.find(record, '\\0', FINGERPRINT_LENGTH + 1, true)\n\
local count = string.byte(record, zero_at + 1)\n\
return (struct.unpack('>d', record, zero_at + 2 + 8 * (count - 2)))\n\
end\n\
return operation\n\
end\n\
modules['order'] = function()\n\
local wallets = require('wallet')\n\
local order = { NUMBER_LENGTH = 4 }\n\
local NUMBER_LENGTH = order.NUMBER_LENGTH\n\
function order.comes_before(terms, grant_no, other, other_no)\n\
if terms.priority ~= other.priority then\n\
return terms.priority < other.priority\n\
elseif (terms.scope > 0) ~= (other.scope > 0) then\n\
return terms.scope > 0\n\
elseif terms.expires_at_ms ~= other.expires_at_ms then\n\
return terms.expires_at_ms < other.expires_at_ms\n\
elseif terms.purpose ~= other.purpose then\n\
return terms.purpose < other.purpose\n\
elseif terms.effective_at_ms ~= other.effective_at_ms then\n\
return terms.effective_at_ms < other.effective_at_ms\n\
elseif terms.created_at_ms ~= other.created_at_ms then\n\
return terms.created_at_ms < other.created_at_ms\n\
end\n\
return grant_no < other_no\n\
end\n\
function order.insert(wallet, numbers, grant_no)\n\
local terms = wallets.terms(wallet, grant_no)\n\
local low, high = 0, #numbers / NUMBER_LENGTH\n\
while low < high do\n\
local middle = math.floor((low + high) / 2)\n\
local other_no = struct.unpack('>I4', numbers, middle * NUMBER_LENGTH + 1)\n\
if order.comes_before(terms, grant_no, wallets.terms(wallet, other_no), other_no) then\n\
high = middle\n\
else\n\
low = middle + 1\n\
end\n\
end\n\
local at = low * NUMBER_LENGTH\n\
return string.sub(numbers, 1, at) .. struct.pack('>I4', grant_no) .. string.sub(numbers, at + 1)\n\
end\n\
function order.remove(numbers, grant_no)\n\
for at = 1, #numbers, NUMBER_LENGTH do\n\
if struct.unpack('>I4', numbers, at) == grant_no then\n\
return string.sub(numbers, 1, at - 1) .. string.sub(numbers, at + NUMBER_LENGTH)\n\
end\n\
end\n\
end\n\
return order\n\
end\n\
modules['plain'] = function()\n\
local plain = {}\n\
local META = '>ddI4HHBc12'\n\
local ACCOUNT = '>dddd'\n\
local ACCOUNT_LENGTH, SCOPED_LENGTH = 32, 40\n\
local WALLET_ID_LENGTH = 22\n\
local ENTRY = '>BBBBddI4c12c22BH'\n\
local FORMAT = 1\n\
function plain.move(wallet_key, fields, clock, redis_ms, environment, kind, asset_no, available_by, held_by, holds_by)\n\
local account = fields[2]\n\
if not account or not fields[3] or fields[3] == '' then\n\
return nil\n\
end\n\
local version, due_at_ms, verified_epoch, open_holds, live_grants, freeze, own_environment =\n\
struct.unpack(META, fields[1])\n\
local seq, now_ms, epoch = struct.unpack('>ddd', clock)\n\
if redis_ms > now_ms then\n\
now_ms = redis_ms\n\
end\n\
if verified_epoch ~= epoch or environment ~= own_environment or freeze > 0 or due_at_ms <= now_ms then\n\
return nil\n\
elseif fields[4] and now_ms < tonumber(fields[4]) then\n\
return nil\n\
end\n\
local available, held, overage, scheduled = struct.unpack(ACCOUNT, account)\n\
available, held, open_holds = available + available_by, held + held_by, open_holds + holds_by\n\
if available < 0 or overage > 0 or open_holds > 10000 then\n\
return nil\n\
end\n\
version, seq = version + 1, seq + 1\n\
local balances = struct.pack(ACCOUNT, available, held, overage, scheduled)\n\
local account_after = balances\n\
if #account > ACCOUNT_LENGTH then\n\
local unscoped = available - struct.unpack('>d', account, ACCOUNT_LENGTH + 1)\n\
if unscoped < 0 or (#account > SCOPED_LENGTH and unscoped < struct.unpack('>d', account, SCOPED_LENGTH + 1)) then\n\
return nil\n\
end\n\
account_after = balances .. string.sub(account, ACCOUNT_LENGTH + 1)\n\
end\n\
local wallet_id = string.sub(wallet_key, -WALLET_ID_LENGTH)\n\
local entry_head =\n\
struct.pack(ENTRY, FORMAT, kind, 0, freeze, version, now_ms, epoch, environment, wallet_id, 1, asset_no)\n\
local head = struct.pack(META, version, due_at_ms, epoch, open_holds, live_grants, freeze, environment)\n\
local clock_after = struct.pack('>ddd', seq, now_ms, epoch)\n\
return head, account_after, clock_after, entry_head, balances, version, seq, epoch, now_ms, available, held, wallet_id\n\
end\n\
function plain.add(ready, asset, grants, order_left, counters_changed)\n\
local n = 17\n\
if grants then\n\
for i = 3, #grants do\n\
n = n + 1\n\
ready[n] = grants[i]\n\
end\n\
ready[n + 1], ready[n + 2] = 'o' .. asset, order_left\n\
n = n + 2\n\
end\n\
if counters_changed then\n\
for i = 1, #counters_changed do\n\
ready[n + i] = counters_changed[i]\n\
end\n\
end\n\
end\n\
return plain\n\
end\n\
modules['plain_budgets'] = function()\n\
local plain_budgets = {}\n\
local SENT, SENT_LENGTH = '>HHBdddB', 30\n\
local TAG, TAG_LENGTH = '>I4HHHdd', 26\n\
local COUNTER, COUNTER_LENGTH = '>BddBddd', 42\n\
local HELD, SPENT_AND_HELD = '>c34d', '>c26dd'\n\
local names_known, heads_known = {}, {}\n\
local function know(no)\n\
local name = string.format('b%d', no)\n\
if no < 256 then\n\
names_known[no] = name\n\
heads_known[no] = struct.pack('>Bc0H', #name, name, COUNTER_LENGTH)\n\
end\n\
return name\n\
end\n\
local function head_of(no, name)\n\
return heads_known[no] or struct.pack('>Bc0H', #name, name, COUNTER_LENGTH)\n\
end\n\
function plain_budgets.count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)\n\
if #packed % SENT_LENGTH > 0 then\n\
return nil\n\
end\n\
local names, n = { nil, nil, nil, nil }, 0\n\
for at = 1, #packed, SENT_LENGTH do\n\
local no = struct.unpack('>H', packed, at)\n\
n = n + 1\n\
names[n] = names_known[no] or know(no)\n\
end\n\
local found = redis.call('HMGET', wallet_key, unpack(names))\n\
local changed = { nil, nil, nil, nil, nil, nil, nil, nil }\n\
local counted, tags = { string.char(n), nil, nil, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil }\n\
for i = 1, n do\n\
local counter = found[i]\n\
if not counter or #counter ~= COUNTER_LENGTH then\n\
return nil\n\
end\n\
local no, asset, hard, limit, from, till, thresholds_count = struct.unpack(SENT, packed, (i - 1) * SENT_LENGTH + 1)\n\
local told_count, _, width, thresholds_before, bucket, spent, held = struct.unpack(COUNTER, counter)\n\
if thresholds_count > 0 or asset ~= asset_no or till == 0 or now_ms < from or now_ms >= till then\n\
return nil\n\
elseif bucket ~= from or told_count > 0 or width > 0 or thresholds_before > 0 then\n\
return nil\n\
elseif (hard == 1 and limit - spent - held < atoms) or spent + atoms > 4503599627370496 then\n\
return nil\n\
end\n\
if is_hold then\n\
counter = struct.pack(HELD, counter, held + atoms)\n\
tags[i] = struct.pack(TAG, 0, 0, no, asset, bucket, atoms)\n\
else\n\
counter = struct.pack(SPENT_AND_HELD, counter, spent + atoms, held)\n\
end\n\
local name, at = names[i], i + i\n\
changed[at - 1], changed[at] = name, counter\n\
counted[at], counted[at + 1] = head_of(no, name), counter\n\
end\n\
return changed, table.concat(counted), table.concat(tags)\n\
end\n\
function plain_budgets.settle(wallet_key, hold, at, asset_no, atoms)\n\
local names, n = { nil, nil, nil, nil }, 0\n\
for tag_at = at, #hold, TAG_LENGTH do\n\
local source_no, leg_asset, no = struct.unpack('>I4HH', hold, tag_at)\n\
if source_no > 0 or leg_asset > 0 or no == 0 then\n\
return nil\n\
end\n\
n = n + 1\n\
names[n] = names_known[no] or know(no)\n\
end\n\
local found = redis.call('HMGET', wallet_key, unpack(names))\n\
local changed = { nil, nil, nil, nil, nil, nil, nil, nil }\n\
local counted, tags = { string.char(n), nil, nil, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil }\n\
for i = 1, n do\n\
local counter = found[i]\n\
if not counter or #counter ~= COUNTER_LENGTH then\n\
return nil\n\
end\n\
local _, _, no, asset, tag_bucket, tag_held = struct.unpack(TAG, hold, at + (i - 1) * TAG_LENGTH)\n\
local told_count, _, width, thresholds_count, bucket, spent, held = struct.unpack(COUNTER, counter)\n\
local part = atoms < tag_held and atoms or tag_held\n\
if asset ~= asset_no or tag_held <= 0 or bucket ~= tag_bucket or spent + part > 4503599627370496 then\n\
return nil\n\
elseif told_count > 0 or width > 0 or thresholds_count > 0 then\n\
return nil\n\
end\n\
counter = struct.pack(SPENT_AND_HELD, counter, spent + part, held - tag_held)\n\
tags[i] = struct.pack(TAG, 0, 0, no, asset, bucket, 0)\n\
local name, place = names[i], i + i\n\
changed[place - 1], changed[place] = name, counter\n\
counted[place], counted[place + 1] = head_of(no, name), counter\n\
end\n\
return changed, table.concat(counted), table.concat(tags)\n\
end\n\
return plain_budgets\n\
end\n\
modules['plain_settle'] = function()\n\
local plain = require('plain')\n\
local plain_budgets = require('plain_budgets')\n\
local plain_settle = {}\n\
local HELD, REVENUE, AVAILABLE = 2, 5, 1\n\
local HOLD, HOLD_LENGTH, ENDED, ENDED_LENGTH = '>HddddddI4d', 62, '>Hdddddd', 50\n\
local SPENT, SPENT_AND_BACK = '>BBBdHI4', '>BBBdBBdHI4'\n\
local NO_TERMS, NO_COUNTERS = '\\0\\0\\0\\0', '\\0'\n\
local STATUS, OPERATION = '>BH', '>Bc0c11H'\n\
local NUMBERS = '>Bdddddddddd'\n\
function plain_settle.settle(\n\
wallet_key,\n\
holds_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
hold_ref,\n\
amount_atoms,\n\
told_text,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
local found = redis.call('HGET', holds_key, hold_ref)\n\
if not found or #found < HOLD_LENGTH or amount_atoms <= 0 then\n\
return nil\n\
elseif catalog_version ~= '' and (fields[5] or '0') ~= config_version then\n\
return nil\n\
elseif catalog_version ~= '' and redis.call('HGET', catalog_key, environment) ~= catalog_version then\n\
return nil\n\
end\n\
local asset_no, taken, held, settled_atoms, released_atoms, created_at_ms, expires_at_ms, grant_no =\n\
struct.unpack(HOLD, found)\n\
local back_atoms = held - amount_atoms\n\
if back_atoms < 0 or grant_no == 0 or asset_no ~= tonumber(asset) then\n\
return nil\n\
end\n\
local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms, id =\n\
plain.move(wallet_key, fields, clock, redis_ms, environment, 6, asset_no, back_atoms, -held, -1)\n\
if not head or expires_at_ms <= now_ms or struct.unpack('>I4', fields[3]) ~= grant_no then\n\
return nil\n\
end\n\
local grant_field = string.format('g%d', grant_no)\n\
local remaining, grant_held = struct.unpack('>dd', redis.call('HGET', wallet_key, grant_field))\n\
local changed, counted, tags = nil, NO_COUNTERS, ''\n\
if #found > HOLD_LENGTH then\n\
changed, counted, tags = plain_budgets.settle(wallet_key, found, HOLD_LENGTH + 1, asset_no, amount_atoms)\n\
if not changed then\n\
return nil\n\
end\n\
end\n\
settled_atoms, released_atoms = settled_atoms + amount_atoms, released_atoms + back_atoms\n\
local grant = struct.pack('>dd', remaining + back_atoms, grant_held - held)\n\
local transfers\n\
if back_atoms > 0 then\n\
transfers = struct.pack(SPENT_AND_BACK, 2, HELD, REVENUE, amount_atoms, HELD, AVAILABLE, back_atoms, 1, grant_no)\n\
else\n\
transfers = struct.pack(SPENT, 1, HELD, REVENUE, amount_atoms, 1, grant_no)\n\
end\n\
local overage_atoms, late_flag, open_flag = 0, 0, 0\n\
local reply = 'settled\\0'\n\
.. struct.pack(\n\
NUMBERS,\n\
10,\n\
settled_atoms,\n\
released_atoms,\n\
overage_atoms,\n\
available_atoms,\n\
held_atoms,\n\
late_flag,\n\
open_flag,\n\
version,\n\
epoch,\n\
seq\n\
)\n\
.. '\\0'\n\
.. told_text\n\
.. '\\0'\n\
local ready = {\n\
wallet_key,\n\
outbox_key,\n\
string.format('%d-0', seq),\n\
entry_head\n\
.. balances\n\
.. transfers\n\
.. grant\n\
.. NO_TERMS\n\
.. string.char(#hold_ref)\n\
.. hold_ref\n\
.. struct.pack(STATUS, 2, ENDED_LENGTH + #tags)\n\
.. struct.pack(ENDED, asset_no, taken, 0, settled_atoms, released_atoms, created_at_ms, expires_at_ms)\n\
.. tags\n\
.. counted\n\
.. struct.pack(OPERATION, #operation_id, operation_id, fingerprint, #reply)\n\
.. reply\n\
.. attached,\n\
clock_after,\n\
keep_ms ~= '0' and fingerprint .. reply,\n\
keep_ms,\n\
hold_ref,\n\
false,\n\
false,\n\
id .. hold_ref,\n\
'w',\n\
head,\n\
'a' .. asset,\n\
account,\n\
grant_field,\n\
grant,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
}\n\
if changed then\n\
plain.add(ready, asset, nil, nil, changed)\n\
end\n\
return ready, reply\n\
end\n\
return plain_settle\n\
end\n\
modules['plain_spend'] = function()\n\
local budgets = require('budgets')\n\
local counters = require('counters')\n\
local plain = require('plain')\n\
local plain_budgets = require('plain_budgets')\n\
local plain_spend = {}\n\
local AVAILABLE, HELD, REVENUE = 1, 2, 5\n\
local ONE_MOVE, MOVES, MOVE, NO_TERMS = '>BBBdHI4', '>BBBdH', '>I4dd', '\\0\\0\\0\\0'\n\
local OPERATION = '>Bc0c11H'\n\
local NO_COUNTERS, NO_HOLD, OPEN, OPEN_AND_SHORT = '\\0', '\\0\\0\\0\\0\\0', '\\1', '\\1\\0\\62'\n\
local HOLD, HOLD_AND_SOURCES, SOURCE = '>HddddddI4d', '>Hdddddd', '>I4d'\n\
local HOLD_NUMBERS, CHARGE_NUMBERS = '>Bddddddd', '>Bdddddd'\n\
local GRANTS_MAX = 8\n\
local function take_from_several(wallet_key, order, atoms)\n\
local names = { nil, nil, nil, nil, nil, nil, nil, nil }\n\
for at = 1, math.min(#order, 4 * GRANTS_MAX), 4 do\n\
names[#names + 1] = string.format('g%d', (struct.unpack('>I4', order, at)))\n\
end\n\
local found = redis.call('HMGET', wallet_key, unpack(names))\n\
local changed = { nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil }\n\
local moves = { nil, nil, nil, nil, nil, nil, nil, nil }\n\
local sources = { nil, nil, nil, nil, nil, nil, nil, nil }\n\
local missing, n, left_at = atoms, 0, 1\n\
while missing > 0 do\n\
n = n + 1\n\
if n > #names then\n\
return nil\n\
end\n\
local grant_no = struct.unpack('>I4', order, 4 * n - 3)\n\
local remaining, held = struct.unpack('>dd', found[n])\n\
local part = missing\n\
if remaining <= missing then\n\
part, left_at = remaining, 4 * n + 1\n\
end\n\
missing, remaining, held = missing - part, remaining - part, held + part\n\
changed[n + n - 1], changed[n + n] = names[n], struct.pack('>dd', remaining, held)\n\
moves[n], sources[n] = struct.pack(MOVE, grant_no, remaining, held), struct.pack(SOURCE, grant_no, part)\n\
end\n\
local transfer = struct.pack(MOVES, 1, AVAILABLE, HELD, atoms, n)\n\
local order_left = string.sub(order, left_at)\n\
return transfer, table.concat(moves), changed[1], changed[2], 0, table.concat(sources), changed, order_left\n\
end\n\
local function take(wallet_key, order, atoms, is_hold)\n\
local grant_no = struct.unpack('>I4', order)\n\
local field = string.format('g%d', grant_no)\n\
local remaining, held = struct.unpack('>dd', redis.call('HGET', wallet_key, field))\n\
if remaining <= atoms and is_hold then\n\
return take_from_several(wallet_key, order, atoms)\n\
elseif remaining <= atoms then\n\
return nil\n\
end\n\
local grant = struct.pack('>dd', remaining - atoms, is_hold and held + atoms or held)\n\
local transfer = struct.pack(ONE_MOVE, 1, AVAILABLE, is_hold and HELD or REVENUE, atoms, 1, grant_no)\n\
return transfer, grant, field, grant, grant_no\n\
end\n\
local function count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)\n\
local changed, counted, tags = plain_budgets.count(wallet_key, now_ms, packed, asset_no, atoms, is_hold)\n\
if changed then\n\
return changed, counted, tags\n\
end\n\
local wallet, entry = { key = wallet_key, now_ms = now_ms }, {}\n\
local sent = budgets.open(wallet, packed)\n\
if not sent or budgets.tightest(sent, asset_no) < atoms or (not is_hold and budgets.has_thresholds(sent)) then\n\
return nil\n\
end\n\
if is_hold then\n\
tags = budgets.hold(sent, entry, { { asset = asset_no, amount = atoms } })\n\
else\n\
budgets.charge(sent, entry, asset_no, atoms)\n\
end\n\
counted, changed = counters.pack(entry), {}\n\
counters.add_fields(wallet, changed)\n\
return changed, counted, tags\n\
end\n\
local function is_current(fields, config_version, catalog_key, catalog_version, environment)\n\
return (fields[5] or '0') == config_version\n\
and (catalog_version == '' or redis.call('HGET', catalog_key, environment) == catalog_version)\n\
end\n\
function plain_spend.hold(\n\
wallet_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
take_atoms,\n\
budgets_packed,\n\
told_text,\n\
ttl_ms,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
if take_atoms <= 0 or not is_current(fields, config_version, catalog_key, catalog_version, environment) then\n\
return nil\n\
end\n\
local asset_no = tonumber(asset)\n\
local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms, id =\n\
plain.move(wallet_key, fields, clock, redis_ms, environment, 4, asset_no, -take_atoms, take_atoms, 1)\n\
if not head then\n\
return nil\n\
end\n\
local transfer, moves, grant_field, grant, grant_no, sources, grants, order_left =\n\
take(wallet_key, fields[3], take_atoms, true)\n\
if not transfer then\n\
return nil\n\
end\n\
local counters_changed, counted, tags = nil, NO_COUNTERS, ''\n\
if budgets_packed ~= '' then\n\
counters_changed, counted, tags = count(wallet_key, now_ms, budgets_packed, asset_no, take_atoms, true)\n\
if not counters_changed then\n\
return nil\n\
end\n\
end\n\
local created_at_ms, expires_at_ms = now_ms, now_ms + ttl_ms\n\
local ref = string.format('%d.%d', epoch, version)\n\
local hold, hold_begins\n\
if grant_no > 0 then\n\
hold = struct.pack(HOLD, asset_no, take_atoms, take_atoms, 0, 0, created_at_ms, expires_at_ms, grant_no, take_atoms)\n\
hold_begins = OPEN_AND_SHORT\n\
else\n\
hold = struct.pack(HOLD_AND_SOURCES, asset_no, take_atoms, take_atoms, 0, 0, created_at_ms, expires_at_ms)\n\
.. sources\n\
end\n\
if tags ~= '' or grants then\n\
hold = hold .. tags\n\
hold_begins = OPEN .. struct.pack('>H', #hold)\n\
end\n\
local reply = 'approved\\0'\n\
.. struct.pack(HOLD_NUMBERS, 7, take_atoms, available_atoms, held_atoms, created_at_ms, version, epoch, seq)\n\
.. '\\0'\n\
.. told_text\n\
.. '\\0'\n\
local ready = {\n\
wallet_key,\n\
outbox_key,\n\
string.format('%d-0', seq),\n\
entry_head\n\
.. balances\n\
.. transfer\n\
.. moves\n\
.. NO_TERMS\n\
.. string.char(#ref)\n\
.. ref\n\
.. hold_begins\n\
.. hold\n\
.. counted\n\
.. struct.pack(OPERATION, #operation_id, operation_id, fingerprint, #reply)\n\
.. reply\n\
.. attached,\n\
clock_after,\n\
keep_ms ~= '0' and fingerprint .. reply,\n\
keep_ms,\n\
ref,\n\
hold,\n\
string.format('%d', expires_at_ms),\n\
id .. ref,\n\
'w',\n\
head,\n\
'a' .. asset,\n\
account,\n\
grant_field,\n\
grant,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
}\n\
if grants or counters_changed then\n\
plain.add(ready, asset, grants, order_left, counters_changed)\n\
end\n\
return ready, reply\n\
end\n\
function plain_spend.charge(\n\
wallet_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
take_atoms,\n\
budgets_packed,\n\
told_text,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
if take_atoms <= 0 or not is_current(fields, config_version, catalog_key, catalog_version, environment) then\n\
return nil\n\
end\n\
local asset_no = tonumber(asset)\n\
local head, account, clock_after, entry_head, balances, version, seq, epoch, now_ms, available_atoms, held_atoms =\n\
plain.move(wallet_key, fields, clock, redis_ms, environment, 9, asset_no, -take_atoms, 0, 0)\n\
if not head then\n\
return nil\n\
end\n\
local transfer, moves, grant_field, grant = take(wallet_key, fields[3], take_atoms, false)\n\
if not transfer then\n\
return nil\n\
end\n\
local counters_changed, counted = nil, NO_COUNTERS\n\
if budgets_packed ~= '' then\n\
counters_changed, counted = count(wallet_key, now_ms, budgets_packed, asset_no, take_atoms, false)\n\
if not counters_changed then\n\
return nil\n\
end\n\
end\n\
local reply = 'charged\\0'\n\
.. struct.pack(CHARGE_NUMBERS, 6, take_atoms, available_atoms, held_atoms, version, epoch, seq)\n\
.. '\\0'\n\
.. told_text\n\
.. '\\0'\n\
local ready = {\n\
wallet_key,\n\
outbox_key,\n\
string.format('%d-0', seq),\n\
entry_head .. balances .. transfer .. moves .. NO_HOLD .. counted .. struct.pack(\n\
OPERATION,\n\
#operation_id,\n\
operation_id,\n\
fingerprint,\n\
#reply\n\
) .. reply .. attached,\n\
clock_after,\n\
keep_ms ~= '0' and fingerprint .. reply,\n\
keep_ms,\n\
false,\n\
false,\n\
false,\n\
false,\n\
'w',\n\
head,\n\
'a' .. asset,\n\
account,\n\
grant_field,\n\
grant,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
nil,\n\
}\n\
if counters_changed then\n\
plain.add(ready, asset, nil, nil, counters_changed)\n\
end\n\
return ready, reply\n\
end\n\
return plain_spend\n\
end\n\
modules['run'] = function()\n\
local run = { verified = {} } -- the fence, by its key: a partition that comes from another Redis is a stranger here\n\
function run.refusal(standing, fence_key, fence)\n\
if standing ~= fence then\n\
return { 'fenced' }\n\
end\n\
if run.verified[fence_key] ~= fence then\n\
return { 'unverified' }\n\
end\n\
end\n\
return run\n\
end\n\
modules['scopes'] = function()\n\
local entries = require('entry')\n\
local order = require('order')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
local scopes = {}\n\
local NUMBER_LENGTH = order.NUMBER_LENGTH\n\
local SUM = '>d'\n\
local SUM_LENGTH = 8\n\
local function of(wallet, account, scope)\n\
account.scopes = account.scopes or {}\n\
local list = account.scopes[scope]\n\
if not list then\n\
list = { field = string.format('o%d.%d', account.asset, scope), sum = 0, order = '' }\n\
local packed = not wallet.made_anew and redis.call('HGET', wallet.key, list.field)\n\
if packed then\n\
list.sum = struct.unpack(SUM, packed)\n\
list.order = string.sub(packed, SUM_LENGTH + 1)\n\
end\n\
account.scopes[scope] = list\n\
end\n\
return list\n\
end\n\
function scopes.pack(list)\n\
return struct.pack(SUM, list.sum) .. list.order\n\
end\n\
function scopes.clear(account, field)\n\
account.scopes = account.scopes or {}\n\
local scope = tonumber(string.match(field, '%d+$'))\n\
account.scopes[scope] = { field = field, sum = 0, order = '', changed = true }\n\
end\n\
function scopes.add(wallet, account, scope, atoms)\n\
local list = of(wallet, account, scope)\n\
list.sum = list.sum + atoms\n\
list.changed = true\n\
account.scoped = account.scoped + atoms\n\
account.changed = true\n\
end\n\
function scopes.enter(wallet, account, grant_no)\n\
local scope = wallets.terms(wallet, grant_no).scope\n\
local list = of(wallet, account, scope)\n\
list.order = order.insert(wallet, list.order, grant_no)\n\
scopes.add(wallet, account, scope, wallets.grant(wallet, grant_no).remaining)\n\
end\n\
function scopes.leave(wallet, account, grant_no)\n\
local scope = wallets.terms(wallet, grant_no).scope\n\
local list = of(wallet, account, scope)\n\
local rest = order.remove(list.order, grant_no)\n\
if rest then\n\
list.order = rest\n\
scopes.add(wallet, account, scope, -wallets.grant(wallet, grant_no).remaining)\n\
end\n\
end\n\
local function read_scopes(packed, at)\n\
local count = string.byte(packed, at)\n\
return { string.byte(packed, at + 1, at + count) }, at + count + 1\n\
end\n\
function scopes.read(packed, legs)\n\
local common, at = read_scopes(packed, 1)\n\
while at <= #packed do\n\
local asset, atoms, scopes_at = struct.unpack('>Hd', packed, at)\n\
local part = { atoms = atoms }\n\
part.scopes, at = read_scopes(packed, scopes_at)\n\
for _, leg in ipairs(legs) do\n\
if leg.asset == asset then\n\
leg.parts = leg.parts or {}\n\
leg.parts[#leg.parts + 1] = part\n\
end\n\
end\n\
end\n\
return common\n\
end\n\
local function soonest(wallet, lists)\n\
local found, found_no, found_terms\n\
for _, list in ipairs(lists) do\n\
if list.at <= #list.of.order then\n\
local grant_no = struct.unpack('>I4', list.of.order, list.at)\n\
local terms = wallets.terms(wallet, grant_no)\n\
if not found or order.comes_before(terms, grant_no, found_terms, found_no) then\n\
found, found_no, found_terms = list, grant_no, terms\n\
end\n\
end\n\
end\n\
return found, found_no\n\
end\n\
local function walk(wallet, account, parts)\n\
local walked, taken, place_of = {}, {}, {}\n\
local function list_of(scope)\n\
local list = walked[scope]\n\
if not list then\n\
list = { of = scope == 0 and account or of(wallet, account, scope), at = 1 }\n\
walked[scope] = list\n\
end\n\
return list\n\
end\n\
for _, part in ipairs(parts) do\n\
local lists = { list_of(0) }\n\
for _, scope in ipairs(part.scopes) do\n\
lists[#lists + 1] = list_of(scope)\n\
end\n\
part.got = 0\n\
while part.got < part.atoms do\n\
local list, grant_no = soonest(wallet, lists)\n\
if not list then\n\
break\n\
end\n\
local left = list.left or wallets.grant(wallet, grant_no).remaining\n\
local atoms = math.min(part.atoms - part.got, left)\n\
part.got = part.got + atoms\n\
if atoms == left then\n\
list.at, list.left = list.at + NUMBER_LENGTH, nil\n\
else\n\
list.left = left - atoms\n\
end\n\
local place = place_of[grant_no]\n\
if not place then\n\
place = #taken + 1\n\
place_of[grant_no], taken[place], taken[place + 1] = place, grant_no, 0\n\
end\n\
taken[place + 1] = taken[place + 1] + atoms\n\
end\n\
end\n\
return walked, taken\n\
end\n\
local function total(parts)\n\
local atoms = 0\n\
for _, part in ipairs(parts) do\n\
atoms = atoms + part.got\n\
end\n\
return atoms\n\
end\n\
function scopes.reach(wallet, account, parts)\n\
if parts[2] then\n\
walk(wallet, account, parts)\n\
return total(parts)\n\
end\n\
local part = parts[1]\n\
local available = account.available - account.scoped\n\
for _, scope in ipairs(part.scopes) do\n\
available = available + of(wallet, account, scope).sum\n\
end\n\
part.got = math.min(part.atoms, available)\n\
return available\n\
end\n\
function scopes.split(parts, atoms)\n\
local first, rest = {}, {}\n\
for _, part in ipairs(parts) do\n\
local mine = math.min(atoms, part.got or 0)\n\
atoms = atoms - mine\n\
first[#first + 1] = { atoms = mine, scopes = part.scopes, own = part.own }\n\
rest[#rest + 1] = { atoms = part.atoms - mine, scopes = part.scopes, own = part.own }\n\
end\n\
return first, rest\n\
end\n\
function scopes.take(wallet, entry, account, atoms, into_hold, parts)\n\
local walked, sources = walk(wallet, account, (scopes.split(parts, atoms)))\n\
for i = 1, #sources, 2 do\n\
local grant = wallets.grant(wallet, sources[i])\n\
grant.remaining = grant.remaining - sources[i + 1]\n\
if into_hold then\n\
grant.held = grant.held + sources[i + 1]\n\
end\n\
entries.touch(entry, grant)\n\
local scope = wallets.terms(wallet, sources[i]).scope\n\
if scope > 0 then\n\
scopes.add(wallet, account, scope, -sources[i + 1])\n\
end\n\
end\n\
for _, list in pairs(walked) do\n\
if list.at > 1 then\n\
list.of.order = string.sub(list.of.order, list.at)\n\
list.of.changed, list.of.order_changed = true, true\n\
end\n\
end\n\
return sources\n\
end\n\
local function covers(wallet, part, grant_no)\n\
local scope = wallets.terms(wallet, grant_no).scope\n\
if part.own or scope == 0 then\n\
return true\n\
end\n\
for _, number in ipairs(part.scopes) do\n\
if number == scope then\n\
return true\n\
end\n\
end\n\
return false\n\
end\n\
local function walk_held(wallet, leg, parts)\n\
local left, gone = {}, {}\n\
for i, value in ipairs(leg.sources) do\n\
left[i] = value\n\
end\n\
for _, part in ipairs(parts) do\n\
part.got = 0\n\
for i = 1, #left, 2 do\n\
local atoms = math.min(part.atoms - part.got, left[i + 1])\n\
if atoms > 0 and covers(wallet, part, left[i]) then\n\
part.got = part.got + atoms\n\
left[i + 1] = left[i + 1] - atoms\n\
gone[#gone + 1] = left[i]\n\
gone[#gone + 1] = atoms\n\
end\n\
end\n\
end\n\
local rest = {}\n\
for i = 1, #left, 2 do\n\
if left[i + 1] > 0 then\n\
rest[#rest + 1] = left[i]\n\
rest[#rest + 1] = left[i + 1]\n\
end\n\
end\n\
return rest, gone\n\
end\n\
function scopes.assign(hold, packed, lines, by_event)\n\
local common = packed ~= '' and scopes.read(packed, hold.legs) or {}\n\
usage.add_to_parts(lines, hold.legs)\n\
local own = hold.scopes and not by_event\n\
if own then\n\
common = hold.scopes\n\
end\n\
for i, leg in ipairs(hold.legs) do\n\
leg.parts = leg.parts or { { atoms = leg.due or 0, scopes = own and common or {}, own = own } }\n\
if i > 1 and leg.num > 0 then\n\
leg.parts[#leg.parts + 1] = { atoms = 4503599627370496, scopes = common, own = own }\n\
end\n\
end\n\
end\n\
function scopes.beyond(wallet, account, leg, covered, late)\n\
local given, rest = scopes.split(leg.parts, leg.part)\n\
local missing = leg.excess\n\
leg.beyond = {}\n\
for _, part in ipairs(rest) do\n\
local skipped = math.min(covered, part.atoms)\n\
covered = covered - skipped\n\
part.atoms = math.min(part.atoms - skipped, missing)\n\
missing = missing - part.atoms\n\
leg.beyond[#leg.beyond + 1] = part\n\
end\n\
local all = late and given or {}\n\
for _, part in ipairs(leg.beyond) do\n\
all[#all + 1] = part\n\
end\n\
walk(wallet, account, all)\n\
return total(leg.beyond)\n\
end\n\
function scopes.held(wallet, leg, parts)\n\
walk_held(wallet, leg, parts)\n\
return total(parts)\n\
end\n\
function scopes.spend_held(wallet, entry, leg, atoms)\n\
local rest, gone = walk_held(wallet, leg, (scopes.split(leg.parts, atoms)))\n\
for i = 1, #gone, 2 do\n\
local grant = wallets.grant(wallet, gone[i])\n\
grant.held = grant.held - gone[i + 1]\n\
entries.touch(entry, grant)\n\
end\n\
leg.sources = rest\n\
end\n\
return scopes\n\
end\n\
modules['seal'] = function()\n\
local counters = require('counters')\n\
local operation = require('operation')\n\
local wallets = require('wallet')\n\
local seal = {}\n\
local SLICE_LENGTH = 4000\n\
local NONE = {}\n\
local NO_OPERATION = '\\0-----------\\0\\0'\n\
local function add(list, first, second)\n\
local n = #list\n\
list[n + 1] = first\n\
list[n + 2] = second\n\
end\n\
local function add_account(wallet, fields, account)\n\
if account.changed then\n\
add(fields, account.field, wallets.pack_account(account))\n\
end\n\
if account.order_changed then\n\
add(fields, string.format('o%d', account.asset), account.order)\n\
end\n\
for _, list in pairs(account.scopes or NONE) do\n\
if list.changed and list.order ~= '' then\n\
add(fields, list.field, require('scopes').pack(list))\n\
elseif list.changed then\n\
wallets.add(wallet, 'fields_gone', list.field)\n\
end\n\
end\n\
end\n\
local function add_rollovers(wallet, fields)\n\
for grant_no in pairs(wallet.rollovers_changed) do\n\
local packed = wallet.rollovers[grant_no]\n\
local has_ended = wallet.ended and wallet.ended[grant_no]\n\
if packed and not has_ended then\n\
add(fields, string.format('r%d', grant_no), packed)\n\
elseif not packed then\n\
wallets.add(wallet, 'fields_gone', string.format('r%d', grant_no))\n\
end\n\
end\n\
end\n\
local function changed_fields(wallet)\n\
local fields = { 'w', wallets.pack_meta(wallet), nil, nil, nil, nil }\n\
if wallet.account then\n\
add_account(wallet, fields, wallet.account)\n\
end\n\
for _, account in pairs(wallet.accounts or NONE) do\n\
add_account(wallet, fields, account)\n\
end\n\
for _, grant in pairs(wallet.grants or NONE) do\n\
if grant.changed then\n\
add(fields, grant.field, wallets.pack_grant(grant))\n\
end\n\
end\n\
for grant_no, terms in pairs(wallet.terms or NONE) do\n\
if terms.changed then\n\
add(fields, string.format('t%d', grant_no), wallets.pack_terms(terms))\n\
end\n\
end\n\
if wallet.due then\n\
add(fields, 'd', wallet.due)\n\
end\n\
if wallet.rollovers_changed then\n\
add_rollovers(wallet, fields)\n\
end\n\
counters.add_fields(wallet, fields)\n\
return fields\n\
end\n\
local function slice(wallet, name, list, more_name)\n\
if list then\n\
wallet[name] = list\n\
end\n\
if not list or #list <= SLICE_LENGTH then\n\
return\n\
end\n\
local more = {}\n\
for from = SLICE_LENGTH + 1, #list, SLICE_LENGTH do\n\
more[#more + 1] = { unpack(list, from, math.min(from + SLICE_LENGTH - 1, #list)) }\n\
end\n\
wallet[name] = { unpack(list, 1, SLICE_LENGTH) }\n\
wallet[more_name] = more\n\
end\n\
function seal.wallet(wallet)\n\
wallet.fields = changed_fields(wallet)\n\
for grant_no in pairs(wallet.ended or NONE) do\n\
wallets.add(wallet, 'fields_gone', string.format('g%d', grant_no), string.format('t%d', grant_no))\n\
wallets.add(wallet, 'fields_gone', string.format('r%d', grant_no))\n\
end\n\
if wallet.due and wallet.due_at_ms == 4503599627370496 then\n\
wallets.add(wallet, 'deadlines_gone', wallet.id)\n\
elseif wallet.due then\n\
wallets.add(wallet, 'deadlines', string.format('%d', wallet.due_at_ms), wallet.id)\n\
end\n\
slice(wallet, 'holds', wallet.holds, 'more_holds')\n\
slice(wallet, 'deadlines', wallet.deadlines, 'more_deadlines')\n\
wallet.clock = struct.pack('>ddd', wallet.seq, wallet.now_ms, wallet.epoch)\n\
end\n\
function seal.whole(wallet, fields)\n\
seal.wallet(wallet)\n\
wallet.head = wallet.fields[2]\n\
for i = 3, #wallet.fields do\n\
fields[#fields + 1] = wallet.fields[i]\n\
end\n\
slice(wallet, 'fields', fields, 'more_fields')\n\
end\n\
function seal.answer(wallet, fingerprint, keep_ms, reply)\n\
wallet.entries = {}\n\
local packed = operation.pack(reply)\n\
wallet.record = fingerprint .. packed\n\
wallet.keep_ms = keep_ms\n\
return packed\n\
end\n\
function seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)\n\
seal.wallet(wallet)\n\
local packed = operation.pack(reply)\n\
for no, entry in ipairs(wallet.entries) do\n\
if no == main_no then\n\
entry.packed = entry.packed\n\
.. struct.pack('>Bc0c11H', #operation_id, operation_id, fingerprint, #packed)\n\
.. packed\n\
.. attached\n\
else\n\
entry.packed = entry.packed .. NO_OPERATION\n\
end\n\
end\n\
if keep_ms ~= '0' then\n\
wallet.record = fingerprint .. packed\n\
wallet.keep_ms = keep_ms\n\
end\n\
wallet.outbox_key = outbox_key\n\
return packed\n\
end\n\
return seal\n\
end\n\
modules['stale'] = function()\n\
local staleness = {}\n\
function staleness.refuse(wallet, standing_version, at_ms)\n\
local config_text = redis.call('HGET', wallet.key, 'x') or ''\n\
local standing_config, redis_ms = tonumber(wallet.config_version), at_ms or wallet.now_ms\n\
return { 'stale', standing_version, standing_config, redis_ms, config_text }\n\
end\n\
function staleness.check(wallet, catalog_key, catalog_version, config_version)\n\
local standing_version, priced_version = 0, nil\n\
if catalog_version ~= '' then\n\
priced_version = tonumber(catalog_version)\n\
standing_version = tonumber(redis.call('HGET', catalog_key, wallet.environment) or '0')\n\
if standing_version < priced_version then\n\
wallet.catalog_key = catalog_key\n\
wallet.catalog_version = catalog_version\n\
end\n\
end\n\
if (priced_version and standing_version > priced_version) or config_version ~= wallet.config_version then\n\
return staleness.refuse(wallet, standing_version)\n\
end\n\
end\n\
return staleness\n\
end\n\
modules['tiers'] = function()\n\
local exact = require('exact')\n\
local tiers = {}\n\
local HEAD = '>dI4BI4I4HB'\n\
local TIER = '>dI4d'\n\
local TIER_LENGTH = 20\n\
local LIMB_LENGTH = 4\n\
local MILLION = 1000000\n\
local ATOMS_MAX = 4503599627370496\n\
local function read(packed)\n\
local line = { packed = packed }\n\
line.units, line.millionths, line.volume, line.size, line.per, line.count, line.limbs, line.at =\n\
struct.unpack(HEAD, packed)\n\
return line\n\
end\n\
local function read_tier(line, no)\n\
local at = line.at + (no - 1) * (TIER_LENGTH + LIMB_LENGTH * line.limbs)\n\
local units, millionths, flat = struct.unpack(TIER, line.packed, at)\n\
return units, millionths, flat, exact.read(line.packed, at + TIER_LENGTH, line.limbs)\n\
end\n\
local function is_before(units, millionths, other_units, other_millionths)\n\
return units < other_units or (units == other_units and millionths < other_millionths)\n\
end\n\
local function add_part(sum, rate, units, millionths, from_units, from_millionths)\n\
local part = exact.of(units - from_units)\n\
table.insert(part, 1, millionths - from_millionths)\n\
exact.add_product(sum, part, rate)\n\
end\n\
local function round_up(line, sum, flats)\n\
local atoms = exact.divide_up(sum, 2, line.per)\n\
if not atoms or atoms + flats > ATOMS_MAX then\n\
return nil\n\
end\n\
return atoms + flats\n\
end\n\
local function graduated_total(line, units, millionths)\n\
local sum, flats = {}, 0\n\
local from_units, from_millionths = 0, 0\n\
for no = 1, line.count do\n\
local to_units, to_millionths, flat, rate = read_tier(line, no)\n\
flats = flats + flat\n\
if not is_before(to_units, to_millionths, units, millionths) then\n\
add_part(sum, rate, units, millionths, from_units, from_millionths)\n\
break\n\
end\n\
add_part(sum, rate, to_units, to_millionths, from_units, from_millionths)\n\
from_units, from_millionths = to_units, to_millionths\n\
end\n\
return round_up(line, sum, flats)\n\
end\n\
local function volume_total(line, from_units, from_millionths, units, millionths)\n\
local most = 0\n\
for no = 1, line.count do\n\
local to_units, to_millionths, flat, rate = read_tier(line, no)\n\
local is_last = not is_before(to_units, to_millionths, units, millionths)\n\
if is_last then\n\
to_units, to_millionths = units, millionths\n\
end\n\
if not is_before(to_units, to_millionths, from_units, from_millionths) then\n\
local sum = {}\n\
add_part(sum, rate, to_units, to_millionths, 0, 0)\n\
local atoms = round_up(line, sum, flat)\n\
if not atoms then\n\
return nil\n\
end\n\
most = math.max(most, atoms)\n\
end\n\
if is_last then\n\
break\n\
end\n\
end\n\
return most\n\
end\n\
local function total(line, from_units, from_millionths, units, millionths)\n\
if line.volume == 1 then\n\
return volume_total(line, from_units, from_millionths, units, millionths)\n\
end\n\
if line.size > 0 then\n\
local rest = units % line.size\n\
local is_started = rest > 0 or millionths > 0\n\
return graduated_total(line, (units - rest) / line.size + (is_started and 1 or 0), 0)\n\
end\n\
return graduated_total(line, units, millionths)\n\
end\n\
local function advance(line, used_units, used_millionths)\n\
local units, millionths = used_units + line.units, used_millionths + line.millionths\n\
if millionths >= MILLION then\n\
units, millionths = units + 1, millionths - MILLION\n\
end\n\
if is_before(1000000000000000, 0, units, millionths) then\n\
return nil\n\
end\n\
return units, millionths\n\
end\n\
local function due(total_atoms, billed_atoms)\n\
local atoms = total_atoms and math.max(0, total_atoms - billed_atoms)\n\
if not atoms or atoms > 1000000000000000 then\n\
return nil\n\
end\n\
return atoms\n\
end\n\
function tiers.cost(packed, used_units, used_millionths, billed_atoms)\n\
local line = read(packed)\n\
local units, millionths = advance(line, used_units, used_millionths)\n\
local atoms = units and due(total(line, units, millionths, units, millionths), billed_atoms)\n\
if not atoms then\n\
return nil\n\
end\n\
return atoms, units, millionths\n\
end\n\
function tiers.total(packed, used_units, used_millionths)\n\
return total(read(packed), used_units, used_millionths, used_units, used_millionths)\n\
end\n\
function tiers.most(packed, used_units, used_millionths, billed_atoms)\n\
local line = read(packed)\n\
local units, millionths = advance(line, used_units, used_millionths)\n\
return units and due(total(line, used_units, used_millionths, units, millionths), billed_atoms)\n\
end\n\
return tiers\n\
end\n\
modules['triggers'] = function()\n\
local counters = require('counters')\n\
local triggers = {}\n\
local NUMBER = '>I4'\n\
local function pack(counter)\n\
return struct.pack(NUMBER, counter.crossing_no)\n\
end\n\
function triggers.look(wallet, entry, account)\n\
if account.available - account.scoped >= account.fires_below then\n\
return\n\
end\n\
local read = wallet.counters_read or {}\n\
wallet.counters_read = read\n\
local counter = { name = string.format('m%d', account.asset), crossing_no = account.crossing_no }\n\
read[#read + 1] = counter\n\
counters.touch(entry, counter, pack)\n\
account.fires_below, account.crossing_no = nil, nil\n\
account.changed = true\n\
end\n\
function triggers.last_no(packed)\n\
return packed and (struct.unpack(NUMBER, packed)) or 0\n\
end\n\
return triggers\n\
end\n\
modules['usage'] = function()\n\
local counters = require('counters')\n\
local staleness = require('stale')\n\
local tiers = require('tiers')\n\
local usage = {}\n\
local SENT = '>c8HBddI4Hc0'\n\
local BUCKET = '>ddI4dI4d'\n\
local BUCKET_LENGTH = 40\n\
local NO_LINES = {}\n\
local function make(packed)\n\
local counter = { buckets = {} }\n\
for at = 1, packed and #packed or 0, BUCKET_LENGTH do\n\
local bucket = {}\n\
bucket.from, bucket.till, bucket.terms, bucket.units, bucket.millionths, bucket.billed =\n\
struct.unpack(BUCKET, packed, at)\n\
counter.buckets[#counter.buckets + 1] = bucket\n\
end\n\
return counter\n\
end\n\
local function pack(counter)\n\
local parts = {}\n\
for i, bucket in ipairs(counter.buckets) do\n\
parts[i] =\n\
struct.pack(BUCKET, bucket.from, bucket.till, bucket.terms, bucket.units, bucket.millionths, bucket.billed)\n\
end\n\
return table.concat(parts)\n\
end\n\
local function bucket_of(counter, from, till)\n\
for _, bucket in ipairs(counter.buckets) do\n\
if bucket.from == from and bucket.till == till then\n\
return bucket\n\
end\n\
end\n\
end\n\
local function before(line)\n\
local bucket = bucket_of(line.counter, line.from, line.till)\n\
if not bucket then\n\
return 0, 0, 0\n\
elseif bucket.terms == line.terms then\n\
return bucket.units, bucket.millionths, bucket.billed\n\
end\n\
return bucket.units, bucket.millionths, tiers.total(line.packed, bucket.units, bucket.millionths)\n\
end\n\
function usage.is_over(packed, now_ms)\n\
for _, bucket in ipairs(make(packed).buckets) do\n\
if bucket.till > now_ms - 86400000 then\n\
return false\n\
end\n\
end\n\
return true\n\
end\n\
function usage.instant_of(wallet, hold)\n\
return math.max(hold.created_at_ms, wallet.now_ms - 86400000)\n\
end\n\
function usage.price(wallet, packed, at_ms, exact)\n\
if packed == '' then\n\
return NO_LINES\n\
end\n\
local lines, at = {}, 1\n\
while at <= #packed do\n\
local line = {}\n\
local name\n\
name, line.asset, line.part, line.from, line.till, line.terms, line.packed, at = struct.unpack(SENT, packed, at)\n\
if at_ms < line.from or at_ms >= line.till then\n\
return nil, staleness.refuse(wallet, 0, at_ms)\n\
end\n\
line.counter = counters.get(wallet, 'u' .. name, make)\n\
lines[#lines + 1] = line\n\
local units, millionths, billed = before(line)\n\
if billed and exact then\n\
line.atoms, line.units, line.millionths = tiers.cost(line.packed, units, millionths, billed)\n\
line.billed = line.atoms and billed + line.atoms\n\
elseif billed then\n\
line.atoms = tiers.most(line.packed, units, millionths, billed)\n\
end\n\
if not line.atoms then\n\
local line_no = #lines\n\
return nil, { 'too_large', line_no }\n\
end\n\
end\n\
return lines\n\
end\n\
function usage.add(lines, list, of)\n\
if not lines[1] then\n\
return\n\
end\n\
for line_no, line in ipairs(lines) do\n\
for _, leg in ipairs(list) do\n\
if leg.asset == line.asset then\n\
leg[of] = (leg[of] or 0) + line.atoms\n\
if leg[of] > 1000000000000000 then\n\
return { 'too_large', line_no }\n\
end\n\
end\n\
end\n\
end\n\
end\n\
function usage.add_to_parts(lines, list)\n\
if not lines[1] then\n\
return\n\
end\n\
for _, line in ipairs(lines) do\n\
for _, leg in ipairs(list) do\n\
if leg.asset == line.asset and leg.parts and line.part > 0 then\n\
local part = leg.parts[line.part]\n\
part.atoms = part.atoms + line.atoms\n\
end\n\
end\n\
end\n\
end\n\
function usage.count(wallet, entry, lines)\n\
for _, line in ipairs(lines) do\n\
local kept = {}\n\
for _, bucket in ipairs(line.counter.buckets) do\n\
if bucket.till > wallet.now_ms - 86400000 then\n\
kept[#kept + 1] = bucket\n\
end\n\
end\n\
line.counter.buckets = kept\n\
local bucket = bucket_of(line.counter, line.from, line.till)\n\
if not bucket then\n\
bucket = { from = line.from, till = line.till }\n\
kept[#kept + 1] = bucket\n\
end\n\
bucket.terms, bucket.units, bucket.millionths, bucket.billed = line.terms, line.units, line.millionths, line.billed\n\
counters.touch(entry, line.counter, pack)\n\
end\n\
end\n\
function usage.text(lines, first_atoms)\n\
if not lines[1] then\n\
return ''\n\
end\n\
local texts = { string.format('%d', first_atoms) }\n\
for _, line in ipairs(lines) do\n\
texts[#texts + 1] = string.format('%d', line.atoms)\n\
end\n\
return table.concat(texts, ' ')\n\
end\n\
return usage\n\
end\n\
modules['wallet'] = function()\n\
local operation = require('operation')\n\
local run = require('run')\n\
local wallets = {}\n\
local META = '>ddI4HHBc12'\n\
local ACCOUNT = '>dddd'\n\
local GRANT = '>dd'\n\
local ACCOUNT_LENGTH = 32\n\
local SCOPED = '>d'\n\
local SCOPED_LENGTH = 8\n\
local TRIGGER = '>dd'\n\
local TRIGGER_LENGTH = 16\n\
local TERMS = '>BBBBHdddd'\n\
local TERMS_LENGTH = 38\n\
local WALLET_ID_LENGTH = 22\n\
local ANY_ENVIRONMENT = '*'\n\
local NOT_IN_LEDGER, IN_LEDGER = '1', '2'\n\
local function read_account(asset, field, packed, order)\n\
local available, held, overage, scheduled, scoped = 0, 0, 0, 0, 0\n\
local fires_below, crossing_no\n\
if packed then\n\
available, held, overage, scheduled = struct.unpack(ACCOUNT, packed)\n\
if #packed > ACCOUNT_LENGTH then\n\
scoped = struct.unpack(SCOPED, packed, ACCOUNT_LENGTH + 1)\n\
if #packed > ACCOUNT_LENGTH + SCOPED_LENGTH then\n\
fires_below, crossing_no = struct.unpack(TRIGGER, packed, ACCOUNT_LENGTH + SCOPED_LENGTH + 1)\n\
end\n\
end\n\
end\n\
return {\n\
asset = asset,\n\
field = field,\n\
available = available,\n\
held = held,\n\
overage = overage,\n\
scheduled = scheduled,\n\
scoped = scoped,\n\
fires_below = fires_below,\n\
crossing_no = crossing_no,\n\
order = order or '',\n\
changed = false,\n\
order_changed = false,\n\
}\n\
end\n\
wallets.unpack_account = read_account\n\
local function unpack_terms(packed, at)\n\
local state, purpose, priority, scope, asset, amount, effective_at_ms, expires_at_ms, created_at_ms =\n\
struct.unpack(TERMS, packed, at)\n\
return {\n\
state = state,\n\
purpose = purpose,\n\
priority = priority,\n\
scope = scope,\n\
asset = asset,\n\
amount = amount,\n\
effective_at_ms = effective_at_ms,\n\
expires_at_ms = expires_at_ms,\n\
created_at_ms = created_at_ms,\n\
}\n\
end\n\
function wallets.id_of(wallet_key)\n\
return string.sub(wallet_key, -WALLET_ID_LENGTH)\n\
end\n\
local function make(\n\
wallet_key,\n\
clock,\n\
redis_now_ms,\n\
version,\n\
due_at_ms,\n\
verified_epoch,\n\
open_holds,\n\
live_grants,\n\
freeze,\n\
environment\n\
)\n\
local seq, clock_ms, epoch = struct.unpack('>ddd', clock)\n\
return {\n\
key = wallet_key,\n\
id = wallets.id_of(wallet_key),\n\
environment = environment,\n\
now_ms = math.max(redis_now_ms, clock_ms),\n\
epoch = epoch,\n\
verified_epoch = verified_epoch,\n\
seq = seq,\n\
version = version,\n\
stored_seq = seq,\n\
stored_version = version,\n\
config_version = '0',\n\
due_at_ms = due_at_ms,\n\
open_holds = open_holds,\n\
live_grants = live_grants,\n\
freeze = freeze,\n\
entries = { nil },\n\
account = false, -- the one that was asked for\n\
}\n\
end\n\
local function put(wallet, name, key, value)\n\
local known = wallet[name]\n\
if known then\n\
known[key] = value\n\
else\n\
wallet[name] = { [key] = value }\n\
end\n\
end\n\
function wallets.add(wallet, name, first, second)\n\
local list = wallet[name]\n\
if list then\n\
local n = #list\n\
list[n + 1], list[n + 2] = first, second\n\
else\n\
wallet[name] = { first, second }\n\
end\n\
end\n\
local function is_good(record, clock, wallet_key, looked_up)\n\
local _, _, epoch = struct.unpack('>ddd', clock)\n\
if operation.epoch(record) == epoch or looked_up == IN_LEDGER then\n\
return true\n\
end\n\
local packed = redis.call('HGET', wallet_key, 'w')\n\
if not packed then\n\
return false\n\
end\n\
local _, _, _, _, _, freeze = struct.unpack(META, packed)\n\
return freeze == 3\n\
end\n\
function wallets.look(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
asset,\n\
looked_up\n\
)\n\
local found = redis.call('MGET', fence_key, clock_key, operation_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return nil, refusal\n\
end\n\
local time = redis.call('TIME')\n\
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n\
if now_ms > not_after_ms then\n\
return nil, { 'late', now_ms }\n\
end\n\
if found[3] and is_good(found[3], found[2], wallet_key, looked_up) then\n\
return nil, operation.replay(found[3], fingerprint)\n\
elseif found[3] and looked_up ~= NOT_IN_LEDGER then\n\
return nil, { 'look_up' }\n\
end\n\
local fields = redis.call('HMGET', wallet_key, 'w', 'a' .. asset, 'o' .. asset, 'l', 'n')\n\
if not fields[1] then\n\
return nil, { 'absent' }\n\
end\n\
return fields, nil, found[2], now_ms\n\
end\n\
function wallets.enter(wallet_key, fields, clock, now_ms, environment, asset, looked_up, leave_due)\n\
local wallet = make(wallet_key, clock, now_ms, struct.unpack(META, fields[1]))\n\
if environment ~= wallet.environment and environment ~= ANY_ENVIRONMENT then\n\
return nil, { 'missing' }\n\
end\n\
if wallet.verified_epoch ~= wallet.epoch then\n\
return nil, { 'absent' }\n\
end\n\
if fields[4] and looked_up ~= NOT_IN_LEDGER and wallet.now_ms < tonumber(fields[4]) then\n\
return nil, { 'look_up' }\n\
end\n\
if fields[5] then\n\
wallet.config_version = fields[5]\n\
end\n\
wallet.account = read_account(tonumber(asset), 'a' .. asset, fields[2], fields[3])\n\
if wallet.due_at_ms <= wallet.now_ms and not leave_due and not require('due').apply(wallet) then\n\
return nil, { 'due' }\n\
end\n\
return wallet\n\
end\n\
function wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up,\n\
leave_due\n\
)\n\
local fields, refusal, clock, now_ms =\n\
wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)\n\
if not fields then\n\
return nil, refusal\n\
end\n\
local wallet\n\
wallet, refusal = wallets.enter(wallet_key, fields, clock, now_ms, environment, asset, looked_up, leave_due)\n\
return wallet, refusal\n\
end\n\
function wallets.peek(fence_key, clock_key, wallet_key, fence, environment)\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return nil, refusal\n\
end\n\
local packed = redis.call('HGET', wallet_key, 'w')\n\
if not packed then\n\
return nil, { 'absent' }\n\
end\n\
local time = redis.call('TIME')\n\
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n\
local wallet = make(wallet_key, found[2], now_ms, struct.unpack(META, packed))\n\
if environment ~= wallet.environment and environment ~= ANY_ENVIRONMENT then\n\
return nil, { 'missing' }\n\
elseif wallet.verified_epoch ~= wallet.epoch then\n\
return nil, { 'absent' }\n\
elseif wallet.due_at_ms <= wallet.now_ms then\n\
return nil, { 'due' }\n\
end\n\
return wallet\n\
end\n\
function wallets.must_look_up(packed, until_ms, clock)\n\
local _, _, verified_epoch = struct.unpack(META, packed)\n\
local _, clock_ms, epoch = struct.unpack('>ddd', clock)\n\
return verified_epoch ~= epoch or (until_ms and clock_ms < tonumber(until_ms))\n\
end\n\
function wallets.read_stamp(packed)\n\
local version, _, verified_epoch = struct.unpack(META, packed)\n\
return version, verified_epoch\n\
end\n\
function wallets.stamp(wallet_key, packed, clock)\n\
return make(wallet_key, clock, 0, struct.unpack(META, packed))\n\
end\n\
function wallets.build(wallet_key, clock, environment, version, freeze)\n\
local wallet = make(wallet_key, clock, 0, version, 4503599627370496, 0, 0, 0, freeze, environment)\n\
wallet.made_anew = true\n\
return wallet\n\
end\n\
function wallets.put_grant(wallet, grant)\n\
put(wallet, 'grants', grant.no, grant)\n\
end\n\
function wallets.put_terms(wallet, grant_no, terms)\n\
put(wallet, 'terms', grant_no, terms)\n\
end\n\
function wallets.end_grant(wallet, grant_no)\n\
put(wallet, 'ended', grant_no, true)\n\
wallet.live_grants = wallet.live_grants - 1\n\
end\n\
function wallets.load_account(wallet, packed, at)\n\
local asset, next_at = struct.unpack('>H', packed, at)\n\
local fields = string.sub(packed, next_at, next_at + ACCOUNT_LENGTH - 1)\n\
local account = read_account(asset, string.format('a%d', asset), fields, '')\n\
account.changed = true\n\
put(wallet, 'accounts', asset, account)\n\
return next_at + ACCOUNT_LENGTH\n\
end\n\
function wallets.load_trigger(wallet, packed, at)\n\
local asset, next_at = struct.unpack('>H', packed, at)\n\
local account = wallet.accounts and wallet.accounts[asset]\n\
if account then\n\
account.fires_below, account.crossing_no = struct.unpack(TRIGGER, packed, next_at)\n\
end\n\
return next_at + TRIGGER_LENGTH\n\
end\n\
function wallets.load_grant(wallet, packed, at)\n\
local grant = { changed = true }\n\
grant.no, grant.remaining, grant.held, at = struct.unpack('>I4dd', packed, at)\n\
grant.field = string.format('g%d', grant.no)\n\
local terms = unpack_terms(packed, at)\n\
terms.changed = true\n\
wallets.put_terms(wallet, grant.no, terms)\n\
if terms.state ~= 1 then\n\
wallets.put_grant(wallet, grant)\n\
end\n\
wallet.live_grants = wallet.live_grants + 1\n\
return grant.no, at + TERMS_LENGTH\n\
end\n\
function wallets.account(wallet, asset)\n\
local account = wallet.account\n\
if account and account.asset == asset then\n\
return account\n\
end\n\
account = wallet.accounts and wallet.accounts[asset]\n\
if not account then\n\
local field = string.format('a%d', asset)\n\
local fields = redis.call('HMGET', wallet.key, field, string.format('o%d', asset))\n\
account = read_account(asset, field, fields[1], fields[2])\n\
put(wallet, 'accounts', asset, account)\n\
end\n\
return account\n\
end\n\
function wallets.grant(wallet, grant_no)\n\
if wallet.ended and wallet.ended[grant_no] then\n\
return nil\n\
end\n\
local grant = wallet.grants and wallet.grants[grant_no]\n\
if not grant then\n\
local field = string.format('g%d', grant_no)\n\
local packed = redis.call('HGET', wallet.key, field)\n\
if not packed then\n\
return nil\n\
end\n\
local remaining, held = struct.unpack(GRANT, packed)\n\
grant = { no = grant_no, field = field, remaining = remaining, held = held, changed = false, touched_by = false }\n\
wallets.put_grant(wallet, grant)\n\
end\n\
return grant\n\
end\n\
function wallets.terms(wallet, grant_no)\n\
if wallet.ended and wallet.ended[grant_no] then\n\
return nil\n\
end\n\
local terms = wallet.terms and wallet.terms[grant_no]\n\
if not terms then\n\
local packed = redis.call('HGET', wallet.key, string.format('t%d', grant_no))\n\
if not packed then\n\
return nil\n\
end\n\
terms = unpack_terms(packed, 1)\n\
wallets.put_terms(wallet, grant_no, terms)\n\
end\n\
return terms\n\
end\n\
function wallets.pack_meta(wallet)\n\
return struct.pack(\n\
META,\n\
wallet.version,\n\
wallet.due_at_ms,\n\
wallet.epoch,\n\
wallet.open_holds,\n\
wallet.live_grants,\n\
wallet.freeze,\n\
wallet.environment\n\
)\n\
end\n\
function wallets.pack_account(account)\n\
local packed = struct.pack(ACCOUNT, account.available, account.held, account.overage, account.scheduled)\n\
if account.fires_below then\n\
return packed\n\
.. struct.pack(SCOPED, account.scoped)\n\
.. struct.pack(TRIGGER, account.fires_below, account.crossing_no)\n\
end\n\
return account.scoped > 0 and packed .. struct.pack(SCOPED, account.scoped) or packed\n\
end\n\
function wallets.pack_grant(grant)\n\
return struct.pack(GRANT, grant.remaining, grant.held)\n\
end\n\
function wallets.pack_terms(terms)\n\
return struct.pack(\n\
TERMS,\n\
terms.state,\n\
terms.purpose,\n\
terms.priority,\n\
terms.scope,\n\
terms.asset,\n\
terms.amount,\n\
terms.effective_at_ms,\n\
terms.expires_at_ms,\n\
terms.created_at_ms\n\
)\n\
end\n\
return wallets\n\
end\n\
do\n\
redis.register_function({\n\
function_name = 'advance_clock_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local fence = ARGV[1]\n\
local to_ms = tonumber(ARGV[2])\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
if found[1] ~= fence or not found[2] then\n\
return { 'fenced' }\n\
end\n\
local seq, clock_ms, epoch = struct.unpack('>ddd', found[2])\n\
local now_ms = math.max(clock_ms, to_ms)\n\
local clock = struct.pack('>ddd', seq, now_ms, epoch)\n\
redis.call('SET', clock_key, clock)\n\
return { 'advanced', now_ms }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local seal = require('seal')\n\
local due = require('due')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'apply_due_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- '0': a repeat finds nothing left to do\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
'0',\n\
'1',\n\
'leave_due'\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local applied_count, done = 0, true\n\
if wallet.due_at_ms <= wallet.now_ms then\n\
applied_count, done = due.apply_some(wallet)\n\
end\n\
local more_flag = done and 0 or 1\n\
local epoch, seq = wallet.epoch, wallet.seq\n\
local reply = { 'applied', applied_count, more_flag, epoch, seq }\n\
if applied_count == 0 then\n\
return reply\n\
end\n\
reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, keep_ms, '', reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
local triggers = require('triggers')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'arm_top_up_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local fence = ARGV[1]\n\
local asset = ARGV[2]\n\
local fires_below_atoms = tonumber(ARGV[3]) -- 0: it never does, which is how a trigger is taken away\n\
local crossing_no = tonumber(ARGV[4])\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local account_field = 'a' .. asset\n\
local fields = redis.call('HMGET', wallet_key, 'w', account_field, 'm' .. asset)\n\
if not fields[1] then\n\
return { 'absent' }\n\
end\n\
local _, verified_epoch = wallets.read_stamp(fields[1])\n\
local _, _, present_epoch = struct.unpack('>ddd', found[2])\n\
if verified_epoch ~= present_epoch then\n\
return { 'absent' }\n\
end\n\
local account = wallets.unpack_account(tonumber(asset), account_field, fields[2])\n\
if triggers.last_no(fields[3]) >= crossing_no then\n\
return { 'crossed' }\n\
elseif (account.crossing_no or 0) >= crossing_no or (fires_below_atoms == 0 and not fields[2]) then\n\
return { 'armed' }\n\
elseif account.available - account.scoped < fires_below_atoms then\n\
return { 'crossed' }\n\
end\n\
account.fires_below, account.crossing_no = fires_below_atoms, crossing_no\n\
local account_packed = wallets.pack_account(account)\n\
redis.call('HSET', wallet_key, account_field, account_packed)\n\
return { 'armed' }\n\
end,\n\
})\n\
end\n\
do\n\
local budgets = require('budgets')\n\
local commit = require('commit')\n\
local decide = require('decide')\n\
local entries = require('entry')\n\
local fallback = require('fallback')\n\
local holds = require('holds')\n\
local legs = require('legs')\n\
local plain_spend = require('plain_spend')\n\
local seal = require('seal')\n\
local staleness = require('stale')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'authorize_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local catalog_key = KEYS[8] -- hash: environment → version of the catalog that prices it\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local amount_atoms = tonumber(ARGV[8])\n\
local mode = ARGV[9] -- strict, up_to, shadow; explain_strict, explain_up_to: only tell; unpriced: only repeat an answer\n\
local ttl_ms = tonumber(ARGV[10])\n\
local repeated = ARGV[11] -- '1' when this repeats an attempt whose outcome is unknown\n\
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local config_version = ARGV[13] -- of the wallet's subscriptions and budgets, as the caller knows them\n\
local attached = ARGV[14]\n\
local catalog_version = ARGV[15] or '' -- that priced this; empty: nothing was priced\n\
local told_text = ARGV[16] or '' -- what the answer says besides, kept with it: the lines that were priced\n\
local budgets_packed = ARGV[17] or '' -- the budgets that this counts in; see lib/budgets.lua\n\
local is_plain = ARGV[18] == nil\n\
local lines_packed = ARGV[18] or '' -- what counts over a period, for the script to price; see lib/usage.lua\n\
local scopes_packed = ARGV[19] or '' -- by which scopes what of it is covered; see lib/scopes.lua\n\
local legs_packed = ARGV[20] or '' -- H asset, d atoms, d num, d den each: what goes with it in other assets\n\
local fallbacks_packed = ARGV[21] or '' -- the lines that fall back on other assets; see lib/fallback.lua\n\
local fields, refusal, clock, redis_ms =\n\
wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)\n\
if not fields then\n\
return refusal\n\
end\n\
local wallet, reply\n\
if is_plain and (mode == 'strict' or mode == 'up_to') then\n\
wallet, reply = plain_spend.hold(\n\
wallet_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
amount_atoms,\n\
budgets_packed,\n\
told_text,\n\
ttl_ms,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
end\n\
if not wallet then\n\
wallet, refusal = wallets.enter(wallet_key, fields, clock, redis_ms, environment, asset, looked_up)\n\
if not wallet then\n\
return refusal\n\
end\n\
local stale = staleness.check(wallet, catalog_key, catalog_version, config_version)\n\
if stale then\n\
return stale\n\
end\n\
if mode == 'unpriced' then\n\
return { 'unpriced' }\n\
end\n\
local account = wallet.account\n\
local version, epoch, seq = wallet.stored_version, wallet.epoch, wallet.stored_seq\n\
local available_atoms, held_atoms = account.available, account.held\n\
local list, scopes = legs.list(account.asset, amount_atoms, legs_packed, scopes_packed)\n\
local lines, unpriced = usage.price(wallet, lines_packed, wallet.now_ms, false)\n\
if not lines then\n\
return unpriced\n\
end\n\
local too_large = usage.add(lines, list, 'amount')\n\
if too_large then\n\
return too_large\n\
end\n\
usage.add_to_parts(lines, list)\n\
local lines_text = usage.text(lines, list[1].amount)\n\
if fallbacks_packed ~= '' then\n\
fallback.spread(wallet, list, fallbacks_packed, lines, scopes_packed ~= '')\n\
end\n\
local sent = budgets.open(wallet, budgets_packed)\n\
if not sent then\n\
return staleness.refuse(wallet, 0)\n\
end\n\
local explains = mode == 'explain_strict' or mode == 'explain_up_to'\n\
local how = explains and string.sub(mode, 9) or mode\n\
local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, how, sent)\n\
if wallet.freeze ~= 0 then\n\
take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, 4, 0, 0, 0\n\
elseif take_atoms and wallet.open_holds >= 10000 then\n\
take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, 5, 0, 0, 0\n\
end\n\
if mode == 'shadow' then\n\
local legs_text = legs.text(wallet, list)\n\
if take_atoms then\n\
return { 'shadow_approved', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, lines_text }\n\
end\n\
return {\n\
'shadow_declined',\n\
reason,\n\
available_atoms,\n\
held_atoms,\n\
affordable_atoms,\n\
short_asset,\n\
budget_no,\n\
version,\n\
epoch,\n\
seq,\n\
legs_text,\n\
lines_text,\n\
}\n\
end\n\
if\n\
reason == 2\n\
or reason == 5\n\
or reason == 6\n\
then\n\
local overdue_refs = holds.overdue(wallet, deadlines_key)\n\
if overdue_refs ~= '' then\n\
return { 'overdue', overdue_refs }\n\
end\n\
end\n\
if explains then\n\
local budgets_text = budgets.text(sent)\n\
version = wallet.version\n\
local legs_text = legs.text(wallet, list)\n\
if take_atoms then\n\
list[1].amount = take_atoms\n\
holds.open(wallet, entries.begin(4, account), list, sent, ttl_ms, scopes)\n\
local sources_text = legs.sources_text(list)\n\
return { 'would_approve', take_atoms, version, epoch, seq, sources_text, legs_text, budgets_text, lines_text }\n\
end\n\
return {\n\
'would_decline',\n\
reason,\n\
affordable_atoms,\n\
short_asset,\n\
budget_no,\n\
version,\n\
epoch,\n\
seq,\n\
legs_text,\n\
budgets_text,\n\
lines_text,\n\
}\n\
end\n\
if take_atoms then\n\
local entry = entries.begin(4, account)\n\
list[1].amount = take_atoms\n\
holds.open(wallet, entry, list, sent, ttl_ms, scopes)\n\
entries.append(wallet, entry)\n\
local created_at_ms = wallet.now_ms\n\
available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq\n\
local legs_text = legs.text(wallet, list)\n\
reply = {\n\
'approved',\n\
take_atoms,\n\
available_atoms,\n\
held_atoms,\n\
created_at_ms,\n\
version,\n\
epoch,\n\
seq,\n\
legs_text,\n\
told_text,\n\
lines_text,\n\
}\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
else\n\
reply = {\n\
'declined',\n\
reason,\n\
available_atoms,\n\
held_atoms,\n\
affordable_atoms,\n\
short_asset,\n\
budget_no,\n\
version,\n\
epoch,\n\
seq,\n\
told_text,\n\
lines_text,\n\
}\n\
if repeated ~= '1' then\n\
return reply\n\
end\n\
reply = seal.answer(wallet, fingerprint, keep_ms, reply)\n\
end\n\
end\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local budgets = require('budgets')\n\
local commit = require('commit')\n\
local decide = require('decide')\n\
local entries = require('entry')\n\
local fallback = require('fallback')\n\
local grants = require('grants')\n\
local holds = require('holds')\n\
local legs = require('legs')\n\
local plain_spend = require('plain_spend')\n\
local seal = require('seal')\n\
local staleness = require('stale')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'charge_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local catalog_key = KEYS[8] -- hash: environment → version of the catalog that prices it\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local amount_atoms = tonumber(ARGV[8])\n\
local mode = ARGV[9] -- strict, up_to or shadow; unpriced: nothing prices it, so only a first answer is repeated\n\
local repeated = ARGV[10] -- '1' when this repeats an attempt whose outcome is unknown\n\
local looked_up = ARGV[11] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local config_version = ARGV[12] -- of the wallet's subscriptions and budgets, as the caller knows them\n\
local attached = ARGV[13]\n\
local catalog_version = ARGV[14] or '' -- that priced this; empty: nothing was priced\n\
local told_text = ARGV[15] or '' -- what the answer says besides, kept with it: the lines that were priced\n\
local budgets_packed = ARGV[16] or '' -- the budgets that this counts in; see lib/budgets.lua\n\
local is_plain = ARGV[17] == nil\n\
local lines_packed = ARGV[17] or '' -- what counts over a period, for the script to price; see lib/usage.lua\n\
local scopes_packed = ARGV[18] or '' -- by which scopes what of it is covered; see lib/scopes.lua\n\
local legs_packed = ARGV[19] or '' -- H asset, d atoms, d num, d den each: what goes with it in other assets\n\
local fallbacks_packed = ARGV[20] or '' -- the lines that fall back on other assets; see lib/fallback.lua\n\
local fields, refusal, clock, redis_ms =\n\
wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)\n\
if not fields then\n\
return refusal\n\
end\n\
local wallet, reply\n\
if is_plain and (mode == 'strict' or mode == 'up_to') then\n\
wallet, reply = plain_spend.charge(\n\
wallet_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
amount_atoms,\n\
budgets_packed,\n\
told_text,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
end\n\
if not wallet then\n\
wallet, refusal = wallets.enter(wallet_key, fields, clock, redis_ms, environment, asset, looked_up)\n\
if not wallet then\n\
return refusal\n\
end\n\
local stale = staleness.check(wallet, catalog_key, catalog_version, config_version)\n\
if stale then\n\
return stale\n\
end\n\
if mode == 'unpriced' then\n\
return { 'unpriced' }\n\
end\n\
local account = wallet.account\n\
local version, epoch, seq = wallet.stored_version, wallet.epoch, wallet.stored_seq\n\
local available_atoms, held_atoms = account.available, account.held\n\
local list = legs.list(account.asset, amount_atoms, legs_packed, scopes_packed)\n\
local lines, unpriced = usage.price(wallet, lines_packed, wallet.now_ms, true)\n\
if not lines then\n\
return unpriced\n\
end\n\
local too_large = usage.add(lines, list, 'amount')\n\
if too_large then\n\
return too_large\n\
end\n\
usage.add_to_parts(lines, list)\n\
local lines_text = usage.text(lines, list[1].amount)\n\
if fallbacks_packed ~= '' then\n\
fallback.spread(wallet, list, fallbacks_packed, lines, scopes_packed ~= '')\n\
end\n\
local sent = budgets.open(wallet, budgets_packed)\n\
if not sent then\n\
return staleness.refuse(wallet, 0)\n\
end\n\
local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, mode, sent)\n\
if wallet.freeze ~= 0 then\n\
take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, 4, 0, 0, 0\n\
end\n\
if mode == 'shadow' then\n\
local legs_text = legs.text(wallet, list)\n\
if take_atoms then\n\
return { 'shadow_approved', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, lines_text }\n\
end\n\
return {\n\
'shadow_declined',\n\
reason,\n\
available_atoms,\n\
held_atoms,\n\
affordable_atoms,\n\
short_asset,\n\
budget_no,\n\
version,\n\
epoch,\n\
seq,\n\
legs_text,\n\
lines_text,\n\
}\n\
end\n\
if reason == 2 or reason == 6 then\n\
local overdue_refs = holds.overdue(wallet, deadlines_key)\n\
if overdue_refs ~= '' then\n\
return { 'overdue', overdue_refs }\n\
end\n\
end\n\
if take_atoms then\n\
local entry = entries.begin(9, account)\n\
list[1].amount = take_atoms\n\
for i = 1, #list do\n\
local leg = list[i]\n\
local of_leg = wallets.account(wallet, leg.asset)\n\
grants.take(wallet, entry, of_leg, leg.amount, false, leg.parts)\n\
entries.transfer(entry, of_leg, 1, 5, leg.amount)\n\
budgets.charge(sent, entry, leg.asset, leg.amount)\n\
leg.settled = leg.amount\n\
end\n\
usage.count(wallet, entry, lines)\n\
entries.append(wallet, entry)\n\
local main_no = #wallet.entries\n\
available_atoms, version = account.available, wallet.version\n\
budgets.alert(wallet)\n\
seq = wallet.seq\n\
local legs_text = legs.text(wallet, list)\n\
reply =\n\
{ 'charged', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, told_text, lines_text }\n\
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)\n\
else\n\
reply = {\n\
'declined',\n\
reason,\n\
available_atoms,\n\
held_atoms,\n\
affordable_atoms,\n\
short_asset,\n\
budget_no,\n\
version,\n\
epoch,\n\
seq,\n\
told_text,\n\
lines_text,\n\
}\n\
if repeated ~= '1' then\n\
return reply\n\
end\n\
reply = seal.answer(wallet, fingerprint, keep_ms, reply)\n\
end\n\
end\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'configure_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local fence = ARGV[1]\n\
local version = tonumber(ARGV[2])\n\
local config_text = ARGV[3] -- JSON, opaque here\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local fields = redis.call('HMGET', wallet_key, 'w', 'n')\n\
if not fields[1] then\n\
return { 'absent' }\n\
end\n\
local _, verified_epoch = wallets.read_stamp(fields[1])\n\
local _, _, present_epoch = struct.unpack('>ddd', found[2])\n\
if verified_epoch ~= present_epoch then\n\
return { 'absent' }\n\
end\n\
local config_version = tonumber(fields[2] or '0')\n\
if config_version >= version then\n\
return { 'configured', config_version }\n\
end\n\
config_version = version\n\
local version_text = string.format('%d', version)\n\
redis.call('HSET', wallet_key, 'n', version_text, 'x', config_text)\n\
return { 'configured', config_version }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local run = require('run')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'create_wallet_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local fence = ARGV[1]\n\
local environment = ARGV[2]\n\
local customer_id = ARGV[3]\n\
local freeze = tonumber(ARGV[4])\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
if redis.call('HEXISTS', wallet_key, 'w') == 1 then\n\
return { 'moved' }\n\
end\n\
local wallet = wallets.build(wallet_key, found[2], environment, 0, freeze)\n\
seal.wallet(wallet)\n\
wallet.fields[#wallet.fields + 1] = 'c'\n\
wallet.fields[#wallet.fields + 1] = customer_id\n\
commit(wallet, clock_key)\n\
return { 'created' }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local due = require('due')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'credit_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local grant_no = tonumber(ARGV[8])\n\
local amount_atoms = tonumber(ARGV[9])\n\
local purpose = tonumber(ARGV[10])\n\
local priority = tonumber(ARGV[11])\n\
local effective_at_ms = tonumber(ARGV[12]) -- 0: now\n\
local expires_at_ms = tonumber(ARGV[13]) -- 0: never\n\
local attached = ARGV[14]\n\
local looked_up = ARGV[15] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local scope = tonumber(ARGV[16]) -- of the wallet's, which says what it may be spent on; 0: anything\n\
local rollover_packed = ARGV[17] -- of what is left at its expiry, how much lives on; see lib/due.lua. Empty: nothing\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local account = wallet.account\n\
local at_ms = wallet.now_ms\n\
local repays = effective_at_ms <= at_ms and scope == 0\n\
local repaid_atoms = repays and math.min(account.overage, amount_atoms) or 0\n\
if account.available + account.held + account.scheduled + amount_atoms - repaid_atoms > 4503599627370496 then\n\
return { 'out_of_bounds', 1 }\n\
elseif wallet.live_grants >= 1000 then\n\
return { 'out_of_bounds', 2 }\n\
end\n\
local terms = {\n\
state = 1,\n\
purpose = purpose,\n\
priority = priority,\n\
scope = scope,\n\
asset = account.asset,\n\
amount = amount_atoms,\n\
effective_at_ms = effective_at_ms == 0 and at_ms or effective_at_ms,\n\
expires_at_ms = expires_at_ms == 0 and 4503599627370496 or expires_at_ms,\n\
created_at_ms = at_ms,\n\
changed = true,\n\
}\n\
wallets.put_terms(wallet, grant_no, terms)\n\
wallet.live_grants = wallet.live_grants + 1\n\
if rollover_packed ~= '' then\n\
due.set_rollover(wallet, grant_no, rollover_packed)\n\
end\n\
local remaining_atoms = 0\n\
if terms.effective_at_ms > at_ms then\n\
local entry = entries.begin(2, account)\n\
entry.grant_no = grant_no\n\
account.scheduled = account.scheduled + amount_atoms\n\
account.changed = true\n\
due.add(wallet, terms.effective_at_ms, grant_no)\n\
entries.append(wallet, entry)\n\
else\n\
local entry = entries.begin(1, account)\n\
remaining_atoms = grants.fund(wallet, entry, account, grant_no, terms).remaining\n\
entries.append(wallet, entry)\n\
end\n\
if terms.expires_at_ms < 4503599627370496 and (remaining_atoms > 0 or terms.state == 1) then\n\
due.add(wallet, terms.expires_at_ms, grant_no)\n\
end\n\
local state = terms.state\n\
if state == 2 and remaining_atoms == 0 then\n\
state = 5\n\
end\n\
local effective_ms = terms.effective_at_ms\n\
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq\n\
local reply = { 'granted', remaining_atoms, state, effective_ms, at_ms, version, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local budgets = require('budgets')\n\
local commit = require('commit')\n\
local run = require('run')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'drop_counters_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local fence = ARGV[1]\n\
local names = ARGV[2] -- of counters, with blanks between them, a thousand at most; what still counts stays\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local fields = redis.call('HMGET', wallet_key, 'w', 'x')\n\
if not fields[1] then\n\
return { 'absent' }\n\
end\n\
local _, verified_epoch = wallets.read_stamp(fields[1])\n\
local _, clock_ms, present_epoch = struct.unpack('>ddd', found[2])\n\
if verified_epoch ~= present_epoch then\n\
return { 'absent' }\n\
end\n\
local gone = {}\n\
for name in string.gmatch(names, '%S+') do\n\
local kind = string.sub(name, 1, 1)\n\
if kind == 'b' and not budgets.is_configured(fields[2], name) then\n\
gone[#gone + 1] = name\n\
elseif kind == 'u' then\n\
local packed = redis.call('HGET', wallet_key, name)\n\
if packed and usage.is_over(packed, clock_ms) then\n\
gone[#gone + 1] = name\n\
end\n\
end\n\
end\n\
local dropped_count = #gone\n\
if dropped_count == 0 then\n\
return { 'dropped', dropped_count }\n\
end\n\
local changed = { key = wallet_key, fields = { 'w', fields[1] }, fields_gone = gone, entries = {} }\n\
commit(changed, clock_key)\n\
return { 'dropped', dropped_count }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local holds = require('holds')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'expire_holds_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- '0': a repeat finds nothing left to do\n\
local hold_refs = ARGV[7] -- joined by spaces\n\
local wallet, refusal =\n\
wallets.open(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, environment, '0', '1')\n\
if not wallet then\n\
return refusal\n\
end\n\
local expired_count = 0\n\
for hold_ref in string.gmatch(hold_refs, '%S+') do\n\
if expired_count == 100 then\n\
break\n\
end\n\
local hold = holds.read(holds_key, hold_ref)\n\
if hold and hold.expires_at_ms <= wallet.now_ms then\n\
holds.expire(wallet, hold)\n\
expired_count = expired_count + 1\n\
elseif not hold then\n\
wallets.add(wallet, 'deadlines_gone', wallet.id .. hold_ref)\n\
end\n\
end\n\
local epoch, seq = wallet.epoch, wallet.seq\n\
local reply = { 'expired', expired_count, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, keep_ms, '', reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local budgets = require('budgets')\n\
local commit = require('commit')\n\
local decide = require('decide')\n\
local entries = require('entry')\n\
local holds = require('holds')\n\
local legs = require('legs')\n\
local seal = require('seal')\n\
local staleness = require('stale')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'extend_760fe63656c3',\n\
flags = {  },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local hold_ref = ARGV[8]\n\
local amount_atoms = tonumber(ARGV[9]) -- in addition to what is held\n\
local ttl_ms = tonumber(ARGV[10]) -- 0: the deadline stays\n\
local repeated = ARGV[11] -- '1' when this repeats an attempt whose outcome is unknown\n\
local attached = ARGV[12]\n\
local looked_up = ARGV[13] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local config_version = ARGV[14] -- of the wallet's subscriptions and budgets, as the caller knows them\n\
local budgets_packed = ARGV[15] -- all budgets of the wallet; see lib/budgets.lua\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local stale = staleness.check(wallet, '', '', config_version)\n\
if stale then\n\
return stale\n\
end\n\
local account = wallet.account\n\
local version, epoch, seq = wallet.stored_version, wallet.epoch, wallet.stored_seq\n\
local available_atoms, held_atoms = account.available, account.held\n\
local hold = holds.read(holds_key, hold_ref)\n\
if not hold or hold.legs[1].asset ~= account.asset then\n\
return { 'unknown_hold' }\n\
end\n\
local first = hold.legs[1]\n\
local sent = budgets.open(wallet, budgets_packed, hold.tags)\n\
if not sent then\n\
return staleness.refuse(wallet, 0)\n\
end\n\
local list = legs.list(account.asset, amount_atoms, '', '')\n\
if hold.scopes then\n\
first.parts = { { atoms = amount_atoms, scopes = hold.scopes } }\n\
list[1].parts = first.parts\n\
end\n\
local take_atoms, reason, affordable_atoms, short_asset, budget_no = decide(wallet, list, 'strict', sent)\n\
local expired = hold.expires_at_ms <= wallet.now_ms\n\
if wallet.freeze ~= 0 then\n\
take_atoms, reason, affordable_atoms, short_asset, budget_no = nil, 4, 0, 0, 0\n\
elseif take_atoms and not expired and first.amount + take_atoms > 1000000000000000 then\n\
return { 'out_of_bounds', 3 }\n\
end\n\
if (reason == 2 or reason == 6) and not expired then\n\
local overdue_refs = holds.overdue(wallet, deadlines_key)\n\
if overdue_refs ~= '' then\n\
return { 'overdue', overdue_refs }\n\
end\n\
end\n\
local reply\n\
if expired then\n\
holds.expire(wallet, hold)\n\
local settled_atoms, released_atoms = first.settled, first.released\n\
seq = wallet.seq\n\
reply = { 'expired', settled_atoms, released_atoms, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, 0, operation_id, fingerprint, '0', '', reply)\n\
elseif take_atoms then\n\
local entry = entries.begin(5, account)\n\
holds.take(wallet, entry, first, take_atoms)\n\
budgets.extend(sent, entry, first.asset, take_atoms, hold.tags)\n\
first.amount = first.amount + take_atoms\n\
hold.expires_at_ms = math.max(hold.expires_at_ms, wallet.now_ms + ttl_ms)\n\
holds.keep(wallet, entry, hold, true)\n\
entries.append(wallet, entry)\n\
available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq\n\
local total_atoms, expires_at_ms, at_ms = first.amount, hold.expires_at_ms, wallet.now_ms\n\
local legs_text = legs.text(wallet, hold.legs)\n\
reply = { 'extended', total_atoms, available_atoms, held_atoms, expires_at_ms, at_ms, version, epoch, seq, legs_text }\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
else\n\
reply =\n\
{ 'declined', reason, available_atoms, held_atoms, affordable_atoms, short_asset, budget_no, version, epoch, seq }\n\
if repeated ~= '1' then\n\
return reply\n\
end\n\
reply = seal.answer(wallet, fingerprint, keep_ms, reply)\n\
end\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'forget_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local wallet_key = KEYS[2] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[3] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[4] -- sorted set: holds and wallets by the instant at which they are due\n\
local fence = ARGV[1]\n\
local head_packed = ARGV[2] -- the wallet's field `w` as it was when it was compared; empty: it was not there\n\
local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
if (redis.call('HGET', wallet_key, 'w') or '') ~= head_packed then\n\
return { 'moved' }\n\
end\n\
local id = wallets.id_of(wallet_key)\n\
local closed_fence = 'closed:' .. fence\n\
redis.call('SET', fence_key, closed_fence)\n\
redis.call('DEL', wallet_key, holds_key)\n\
redis.call('ZREM', deadlines_key, id)\n\
return { 'forgotten' }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'freeze_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local from_freeze = tonumber(ARGV[7]) -- lift this freeze; 0: freeze\n\
local to_freeze = tonumber(ARGV[8]) -- freeze for this reason; 0: lift\n\
local attached = ARGV[9]\n\
local looked_up = ARGV[10] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local seen_at = ARGV[11] -- '<epoch>.<version>': only while the wallet is there; empty: wherever it is\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
'0',\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
if seen_at ~= '' and seen_at ~= string.format('%d.%d', wallet.epoch, wallet.stored_version) then\n\
return { 'moved' }\n\
end\n\
local freeze = wallet.freeze\n\
local allowed = from_freeze == freeze or (to_freeze > 1 and freeze == 1)\n\
if not allowed or from_freeze == to_freeze then\n\
return { 'unchanged', freeze }\n\
end\n\
wallet.freeze = to_freeze\n\
local kind = to_freeze == 0 and 13 or 12\n\
entries.append(wallet, entries.begin(kind, nil))\n\
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq\n\
local reply = { 'changed', to_freeze, version, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local counters = require('counters')\n\
local due = require('due')\n\
local grants = require('grants')\n\
local holds = require('holds')\n\
local run = require('run')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'hydrate_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local scratch_key = KEYS[6] -- string: there for as long as this runs\n\
local fence = ARGV[1]\n\
local environment = ARGV[2]\n\
local customer_id = ARGV[3]\n\
local version = tonumber(ARGV[4])\n\
local freeze = tonumber(ARGV[5])\n\
local accounts_packed = ARGV[6] -- H asset, dddd account\n\
local grants_packed = ARGV[7] -- I4 number, dd grant, then its terms\n\
local holds_packed = ARGV[8] -- B length, ref, H length, record\n\
local replaced_version = ARGV[9] -- of the wallet that is replaced; empty: there is none\n\
local look_up_until_ms = ARGV[10] -- operations that Redis does not know are looked up until then\n\
local config_version = ARGV[11] -- of the wallet's configuration; '0': it has none\n\
local config_text = ARGV[12]\n\
local counters_packed = ARGV[13] -- B length, name, H length, bytes: of budgets and of prices\n\
local rollovers_packed = ARGV[14] -- I4 number, c24 what of that grant lives on when it expires\n\
local triggers_packed = ARGV[15] -- H asset, dd its trigger, where a top-up is armed\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local packed = redis.call('HGET', wallet_key, 'w')\n\
if packed then\n\
local standing_version, verified_epoch = wallets.read_stamp(packed)\n\
local _, _, present_epoch = struct.unpack('>ddd', found[2])\n\
if verified_epoch == present_epoch then\n\
return { 'present' }\n\
end\n\
if string.format('%d', standing_version) ~= replaced_version then\n\
return { 'moved' }\n\
end\n\
end\n\
local wallet = wallets.build(wallet_key, found[2], environment, version, freeze)\n\
wallet.due = ''\n\
local at = 1\n\
while at <= #accounts_packed do\n\
at = wallets.load_account(wallet, accounts_packed, at)\n\
end\n\
at = 1\n\
while at <= #triggers_packed do\n\
at = wallets.load_trigger(wallet, triggers_packed, at)\n\
end\n\
at = 1\n\
while at <= #grants_packed do\n\
local grant_no\n\
grant_no, at = wallets.load_grant(wallet, grants_packed, at)\n\
local terms = wallets.terms(wallet, grant_no)\n\
local grant = wallet.grants and wallet.grants[grant_no]\n\
if grant and grant.remaining > 0 then\n\
grants.enter_order(wallet, wallet.accounts[terms.asset], grant_no)\n\
end\n\
due.add_grant(wallet, grant_no, terms)\n\
end\n\
at = 1\n\
while at <= #rollovers_packed do\n\
local grant_no, rollover\n\
grant_no, rollover, at = struct.unpack('>I4c24', rollovers_packed, at)\n\
due.set_rollover(wallet, grant_no, rollover)\n\
end\n\
at = 1\n\
while at <= #holds_packed do\n\
at = holds.load(wallet, holds_packed, at)\n\
end\n\
local fields = { 'c', customer_id, 'l', look_up_until_ms }\n\
if config_version ~= '0' then\n\
local n = #fields\n\
fields[n + 1], fields[n + 2] = 'n', config_version\n\
fields[n + 3], fields[n + 4] = 'x', config_text\n\
end\n\
at = 1\n\
while at <= #counters_packed do\n\
local name, bytes\n\
name, bytes, at = counters.load(counters_packed, at)\n\
fields[#fields + 1] = name\n\
fields[#fields + 1] = bytes\n\
end\n\
seal.whole(wallet, fields)\n\
redis.call('SET', scratch_key, '')\n\
redis.call('DEL', wallet_key, holds_key, scratch_key)\n\
commit(wallet, clock_key, holds_key, deadlines_key)\n\
redis.call('HSET', wallet_key, 'w', wallet.head)\n\
return { 'hydrated' }\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
redis.register_function({\n\
function_name = 'list_due_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local deadlines_key = KEYS[3] -- sorted set: holds and wallets by the instant at which they are due\n\
local fence = ARGV[1]\n\
local members_max = tonumber(ARGV[2])\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local time = redis.call('TIME')\n\
local _, clock_ms = struct.unpack('>ddd', found[2])\n\
local now_ms = math.max(clock_ms, time[1] * 1000 + math.floor(time[2] / 1000))\n\
local due = redis.call('ZRANGE', deadlines_key, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, members_max)\n\
local members_text = table.concat(due, ' ')\n\
return { 'due_members', members_text, now_ms }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local due = require('due')\n\
local grants = require('grants')\n\
local holds = require('holds')\n\
local run = require('run')\n\
local scopes = require('scopes')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'mend_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local fence = ARGV[1]\n\
local seen_at = ARGV[2] -- '<epoch>.<version>': only while the wallet is there; empty: wherever it is\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local packed = redis.call('HGET', wallet_key, 'w')\n\
if not packed then\n\
return { 'absent' }\n\
end\n\
local head = wallets.stamp(wallet_key, packed, found[2])\n\
local version, verified_epoch = wallets.read_stamp(packed)\n\
if verified_epoch ~= head.epoch then\n\
return { 'absent' }\n\
elseif seen_at ~= '' and seen_at ~= string.format('%d.%d', verified_epoch, version) then\n\
return { 'moved' }\n\
end\n\
local wallet = wallets.build(wallet_key, found[2], head.environment, version, head.freeze)\n\
wallet.due = ''\n\
local grant_nos = {}\n\
for _, field in ipairs(redis.call('HKEYS', wallet_key)) do\n\
local kind, number, scope = string.match(field, '^([aot])(%d+)%.?(%d*)$')\n\
if kind == 'o' and scope ~= '' then\n\
scopes.clear(wallets.account(wallet, tonumber(number)), field)\n\
elseif kind == 'o' then\n\
local account = wallets.account(wallet, tonumber(number))\n\
account.order = ''\n\
account.order_changed = true\n\
elseif kind == 'a' then\n\
local account = wallets.account(wallet, tonumber(number))\n\
account.changed = account.scoped > 0\n\
account.scoped = 0\n\
elseif kind == 't' then\n\
grant_nos[#grant_nos + 1] = tonumber(number)\n\
end\n\
end\n\
wallet.live_grants = #grant_nos\n\
for _, grant_no in ipairs(grant_nos) do\n\
local terms = wallets.terms(wallet, grant_no)\n\
local grant = wallets.grant(wallet, grant_no)\n\
if grant and grant.remaining > 0 then\n\
grants.enter_order(wallet, wallets.account(wallet, terms.asset), grant_no)\n\
end\n\
due.add_grant(wallet, grant_no, terms)\n\
end\n\
local records = redis.call('HGETALL', holds_key)\n\
for i = 1, #records, 2 do\n\
holds.count(wallet, holds.unpack(records[i], records[i + 1]))\n\
end\n\
seal.wallet(wallet)\n\
commit(wallet, clock_key, holds_key, deadlines_key)\n\
return { 'mended' }\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'peek_operation_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local operation_key = KEYS[4] -- string: what this operation answered\n\
local fence = ARGV[1]\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
if redis.call('EXISTS', operation_key) == 1 then\n\
return { 'begun' }\n\
end\n\
local fields = redis.call('HMGET', wallet_key, 'w', 'l')\n\
if not fields[1] or wallets.must_look_up(fields[1], fields[2], found[2]) then\n\
return { 'look_up' }\n\
end\n\
return { 'never_begun' }\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
redis.register_function({\n\
function_name = 'raise_catalog_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local catalog_key = KEYS[2] -- hash: catalog version by environment\n\
local fence = ARGV[1]\n\
local environment = ARGV[2]\n\
local catalog_version = ARGV[3]\n\
local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local standing = redis.call('HGET', catalog_key, environment)\n\
if standing and tonumber(standing) >= tonumber(catalog_version) then\n\
return { 'raised' }\n\
end\n\
redis.call('HSET', catalog_key, environment, catalog_version)\n\
return { 'raised' }\n\
end,\n\
})\n\
end\n\
do\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'read_hold_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local fence = ARGV[1]\n\
local environment = ARGV[2]\n\
local hold_ref = ARGV[3]\n\
local wallet, refusal = wallets.peek(fence_key, clock_key, wallet_key, fence, environment)\n\
if not wallet then\n\
return refusal\n\
end\n\
local hold_record = redis.call('HGET', holds_key, hold_ref)\n\
if not hold_record then\n\
return { 'unknown_hold' }\n\
end\n\
local customer_text = redis.call('HGET', wallet_key, 'c')\n\
local at_ms = wallet.now_ms\n\
return { 'hold', customer_text, hold_record, at_ms }\n\
end,\n\
})\n\
end\n\
do\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'read_stored_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local NO_CLOCK = string.rep('\\0', 24)\n\
local wallet_key = KEYS[1] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[2] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[3] -- sorted set: holds and wallets by the instant at which they are due\n\
local clock_key = KEYS[4] -- packed: seq, time, epoch\n\
local id = wallets.id_of(wallet_key)\n\
local fields_packed = redis.call('HGETALL', wallet_key)\n\
local holds_packed = redis.call('HGETALL', holds_key)\n\
local scores_packed = { redis.call('ZSCORE', deadlines_key, id) or '' }\n\
for i = 1, #holds_packed, 2 do\n\
scores_packed[#scores_packed + 1] = redis.call('ZSCORE', deadlines_key, id .. holds_packed[i]) or ''\n\
end\n\
local clock = redis.call('GET', clock_key)\n\
local _, clock_ms = struct.unpack('>ddd', clock or NO_CLOCK)\n\
return { 'stored', fields_packed, holds_packed, scores_packed, clock_ms }\n\
end,\n\
})\n\
end\n\
do\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'read_wallet_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local fence = ARGV[1]\n\
local environment = ARGV[2]\n\
local wallet, refusal = wallets.peek(fence_key, clock_key, wallet_key, fence, environment)\n\
if not wallet then\n\
return refusal\n\
end\n\
local at_ms, version, freeze, epoch, seq = wallet.now_ms, wallet.version, wallet.freeze, wallet.epoch, wallet.seq\n\
local fields_packed = redis.call('HGETALL', wallet_key)\n\
return { 'wallet', fields_packed, at_ms, version, freeze, epoch, seq }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local holds = require('holds')\n\
local legs = require('legs')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'release_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local hold_ref = ARGV[8]\n\
local attached = ARGV[9]\n\
local looked_up = ARGV[10] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local account = wallet.account\n\
local epoch = wallet.epoch\n\
local hold = holds.read(holds_key, hold_ref)\n\
if not hold or hold.legs[1].asset ~= account.asset then\n\
return { 'unknown_hold' }\n\
end\n\
local first = hold.legs[1]\n\
local reply\n\
local main_no = 0\n\
if hold.expires_at_ms <= wallet.now_ms then\n\
holds.expire(wallet, hold)\n\
local settled_atoms, released_atoms, seq = first.settled, first.released, wallet.seq\n\
reply = { 'expired', settled_atoms, released_atoms, epoch, seq }\n\
keep_ms = '0'\n\
else\n\
main_no = #wallet.entries + 1\n\
holds.close(wallet, entries.begin(7, account), hold, 3)\n\
local settled_atoms, released_atoms = first.settled, first.released\n\
local available_atoms, held_atoms, version, seq = account.available, account.held, wallet.version, wallet.seq\n\
local legs_text = legs.text(wallet, hold.legs)\n\
reply = { 'released', settled_atoms, released_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text }\n\
end\n\
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
redis.register_function({\n\
function_name = 'remember_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local operation_key = KEYS[2] -- string: what this operation answered\n\
local fence = ARGV[1]\n\
local record_packed = ARGV[2] -- fingerprint and reply, as lib/operation.lua packs them\n\
local keep_ms = ARGV[3]\n\
local refusal = run.refusal(redis.call('GET', fence_key), fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
redis.call('SET', operation_key, record_packed, 'PX', keep_ms)\n\
return { 'remembered' }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local run = require('run')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'restamp_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local scratch_key = KEYS[5] -- string: there for as long as this runs\n\
local fence = ARGV[1]\n\
local version = tonumber(ARGV[2])\n\
local freeze = tonumber(ARGV[3]) -- freeze for this reason, unless it is frozen already; 0: leave it\n\
local config_version = ARGV[4] -- of the wallet's configuration; '0': it has none\n\
local config_text = ARGV[5]\n\
local found = redis.call('MGET', fence_key, clock_key)\n\
local refusal = run.refusal(found[2] and found[1], fence_key, fence)\n\
if refusal then\n\
return refusal\n\
end\n\
local standing = redis.call('HMGET', wallet_key, 'w', 'n', 'x')\n\
if not standing[1] then\n\
return { 'moved' }\n\
end\n\
local wallet = wallets.stamp(wallet_key, standing[1], found[2])\n\
if wallet.version ~= version then\n\
return { 'moved' }\n\
end\n\
if wallet.freeze == 0 then\n\
wallet.freeze = freeze\n\
end\n\
if tonumber(standing[2] or '0') > tonumber(config_version) then\n\
config_version, config_text = standing[2], standing[3]\n\
end\n\
local all = redis.call('HGETALL', wallet_key)\n\
local fields = { 'n', config_version, 'x', config_text }\n\
for i = 1, #all, 2 do\n\
if not string.find(all[i], '^[wnx]$') then\n\
local n = #fields\n\
fields[n + 1], fields[n + 2] = all[i], all[i + 1]\n\
end\n\
end\n\
local records = redis.call('HGETALL', holds_key)\n\
if records[1] then\n\
wallet.holds = records\n\
end\n\
seal.whole(wallet, fields)\n\
redis.call('SET', scratch_key, '')\n\
redis.call('DEL', wallet_key, holds_key, scratch_key)\n\
commit(wallet, clock_key, holds_key)\n\
redis.call('HSET', wallet_key, 'w', wallet.head)\n\
return { 'stamped' }\n\
end,\n\
})\n\
end\n\
do\n\
local aside = require('aside')\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local holds = require('holds')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'set_aside_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local hold_ref = ARGV[8]\n\
local grant_no = tonumber(ARGV[9]) -- what was bought\n\
local amount_atoms = tonumber(ARGV[10])\n\
local mode = ARGV[11] -- strict: of that grant, all or nothing, and not while the wallet is frozen; up_to: what there is\n\
local attached = ARGV[12]\n\
local looked_up = ARGV[13] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local account = wallet.account\n\
local strict = mode == 'strict'\n\
if strict and wallet.freeze ~= 0 then\n\
return { 'frozen' }\n\
end\n\
local known = holds.read(holds_key, hold_ref)\n\
if known then\n\
local taken_atoms, version = known.legs[1].held, wallet.stored_version\n\
local epoch, seq = wallet.epoch, wallet.stored_seq\n\
return { 'set_aside', taken_atoms, version, epoch, seq }\n\
end\n\
local reach_atoms = aside.reach(wallet, account, grant_no, strict)\n\
if reach_atoms == 0 or (strict and reach_atoms < amount_atoms) then\n\
return { 'short', reach_atoms }\n\
end\n\
local taken_atoms = math.min(amount_atoms, reach_atoms)\n\
local entry = entries.begin(4, account)\n\
local sources = aside.take(wallet, entry, account, grant_no, taken_atoms, true)\n\
entries.transfer(entry, account, 1, 2, taken_atoms)\n\
wallet.open_holds = wallet.open_holds + 1\n\
holds.keep(wallet, entry, {\n\
ref = hold_ref,\n\
legs = {\n\
{\n\
asset = account.asset,\n\
amount = taken_atoms,\n\
held = taken_atoms,\n\
settled = 0,\n\
released = 0,\n\
num = 1,\n\
den = 1,\n\
sources = sources,\n\
},\n\
},\n\
tags = {},\n\
created_at_ms = wallet.now_ms,\n\
expires_at_ms = 253402300799000,\n\
}, true)\n\
entries.append(wallet, entry)\n\
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq\n\
local reply = { 'set_aside', taken_atoms, version, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local budgets = require('budgets')\n\
local commit = require('commit')\n\
local dues = require('dues')\n\
local entries = require('entry')\n\
local fallback = require('fallback')\n\
local holds = require('holds')\n\
local legs = require('legs')\n\
local plain_settle = require('plain_settle')\n\
local seal = require('seal')\n\
local staleness = require('stale')\n\
local usage = require('usage')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'settle_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local late_key = KEYS[8] -- string: this hold was settled late, in this epoch; of earlier ones the ledger knows\n\
local catalog_key = KEYS[9] -- hash: environment → version of the catalog that prices it\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local hold_ref = ARGV[8]\n\
local amount_atoms = tonumber(ARGV[9])\n\
local final = ARGV[10] -- '1' when no part follows\n\
local on_excess = ARGV[11] -- charge, cap or reject; unpriced: nothing prices it, so only a first answer is repeated\n\
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local config_version = ARGV[13] -- of the wallet's subscriptions, as the caller knows them\n\
local attached = ARGV[14]\n\
local catalog_version = ARGV[15] or '' -- that priced this; empty: nothing was priced\n\
local told_text = ARGV[16] or '' -- what the answer says besides, kept with it: the lines that were priced\n\
local is_plain = ARGV[17] == nil and final == '1' and on_excess ~= 'unpriced'\n\
local lines_packed = ARGV[17] or '' -- what counts over a period, for the script to price; see lib/usage.lua\n\
local scopes_packed = ARGV[18] or '' -- of an event: by which scopes what of it is covered; see lib/scopes.lua\n\
local dues_packed = ARGV[19] or '' -- H asset, d atoms each: what is due in other assets than the first\n\
local expired_hold = ARGV[20] or '' -- the terms of an expired hold, from the ledger; else empty\n\
local fallbacks_packed = ARGV[21] or '' -- the lines that fall back on other assets; see lib/fallback.lua\n\
local fields, refusal, clock, redis_ms =\n\
wallets.look(fence_key, clock_key, wallet_key, operation_key, fence, not_after_ms, fingerprint, asset, looked_up)\n\
if not fields then\n\
return refusal\n\
end\n\
local wallet, reply\n\
if is_plain then\n\
wallet, reply = plain_settle.settle(\n\
wallet_key,\n\
holds_key,\n\
outbox_key,\n\
catalog_key,\n\
fields,\n\
clock,\n\
redis_ms,\n\
environment,\n\
config_version,\n\
catalog_version,\n\
asset,\n\
hold_ref,\n\
amount_atoms,\n\
told_text,\n\
operation_id,\n\
fingerprint,\n\
keep_ms,\n\
attached\n\
)\n\
end\n\
if not wallet then\n\
wallet, refusal = wallets.enter(wallet_key, fields, clock, redis_ms, environment, asset, looked_up)\n\
if not wallet then\n\
return refusal\n\
end\n\
local stale\n\
if catalog_version ~= '' then\n\
stale = staleness.check(wallet, catalog_key, catalog_version, config_version)\n\
end\n\
if stale then\n\
return stale\n\
end\n\
if on_excess == 'unpriced' then\n\
return { 'unpriced' }\n\
end\n\
local account = wallet.account\n\
local hold = holds.read(holds_key, hold_ref)\n\
local late = false\n\
if hold and hold.legs[1].asset ~= account.asset then\n\
return { 'unknown_hold' }\n\
elseif hold and hold.expires_at_ms <= wallet.now_ms then\n\
late = true\n\
holds.expire(wallet, hold)\n\
elseif not hold and redis.call('GET', late_key) == string.format('%d', wallet.epoch) then\n\
return { 'closed' }\n\
elseif not hold and expired_hold ~= '' then\n\
late = true\n\
hold = holds.unpack(hold_ref, expired_hold)\n\
elseif not hold then\n\
return { 'unknown_hold' }\n\
end\n\
local first = hold.legs[1]\n\
local lines, unpriced = usage.price(wallet, lines_packed, usage.instant_of(wallet, hold), true)\n\
if not lines then\n\
return unpriced\n\
end\n\
local refused = dues.assign(hold, amount_atoms, dues_packed, lines)\n\
if refused then\n\
return refused\n\
end\n\
local lines_text = usage.text(lines, first.due)\n\
local no\n\
if fallbacks_packed ~= '' then\n\
no = fallback.plan(wallet, hold, fallbacks_packed, lines, scopes_packed, late, on_excess)\n\
else\n\
if hold.scopes or scopes_packed ~= '' then\n\
require('scopes').assign(hold, scopes_packed, lines, catalog_version ~= '')\n\
end\n\
no = dues.plan(wallet, hold.legs, late, on_excess)\n\
end\n\
if not no then\n\
no = dues.check(wallet, hold.legs)\n\
end\n\
if no then\n\
return no\n\
end\n\
local entry = entries.begin(6, account)\n\
local main_no = #wallet.entries + 1\n\
dues.settle(wallet, entry, hold, late)\n\
usage.count(wallet, entry, lines)\n\
local late_flag, open_flag = 0, 0\n\
if late then\n\
late_flag = 1\n\
entry.late = true\n\
entry.hold_ref = hold_ref\n\
entry.hold_status = 2\n\
entry.hold_packed = holds.pack(hold)\n\
wallet.late_key = late_key\n\
wallet.late_epoch = string.format('%d', wallet.epoch)\n\
wallet.late_keep_ms = 3600000\n\
entries.append(wallet, entry)\n\
elseif final == '1' then\n\
holds.close(wallet, entry, hold, 2)\n\
else\n\
open_flag = 1\n\
holds.keep(wallet, entry, hold, false)\n\
entries.append(wallet, entry)\n\
end\n\
local version, epoch = wallet.version, wallet.epoch\n\
budgets.alert(wallet)\n\
local seq = wallet.seq\n\
local settled_atoms, released_atoms = first.settled, first.released\n\
local overage_atoms, available_atoms, held_atoms = account.overage, account.available, account.held\n\
local legs_text = legs.text(wallet, hold.legs)\n\
reply = {\n\
'settled',\n\
settled_atoms,\n\
released_atoms,\n\
overage_atoms,\n\
available_atoms,\n\
held_atoms,\n\
late_flag,\n\
open_flag,\n\
version,\n\
epoch,\n\
seq,\n\
legs_text,\n\
told_text,\n\
lines_text,\n\
}\n\
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)\n\
end\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local aside = require('aside')\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local holds = require('holds')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'take_back_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local hold_ref = ARGV[8] -- there may be no such hold\n\
local grant_no = tonumber(ARGV[9]) -- what was bought\n\
local amount_atoms = tonumber(ARGV[10]) -- 0: nothing is taken\n\
local attached = ARGV[11]\n\
local looked_up = ARGV[12] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local account = wallet.account\n\
local hold = holds.read(holds_key, hold_ref)\n\
if hold and hold.legs[1].asset ~= account.asset then\n\
hold = nil\n\
end\n\
local leg = hold and hold.legs[1]\n\
if not hold and amount_atoms == 0 then\n\
return { 'nothing' }\n\
end\n\
local held_atoms = leg and math.min(amount_atoms, leg.held) or 0\n\
local reach_atoms = aside.reach(wallet, account, grant_no, false)\n\
local available_atoms = math.min(amount_atoms - held_atoms, reach_atoms)\n\
local owed_atoms = amount_atoms - held_atoms - available_atoms\n\
if account.overage + owed_atoms > 4503599627370496 then\n\
return { 'out_of_bounds' }\n\
end\n\
local refunded = 8\n\
local entry = entries.begin(amount_atoms > 0 and 16 or 7, account)\n\
if held_atoms > 0 then\n\
grants.spend_held(wallet, entry, leg, held_atoms)\n\
entries.transfer(entry, account, 2, refunded, held_atoms)\n\
leg.held = leg.held - held_atoms\n\
end\n\
if available_atoms > 0 then\n\
aside.take(wallet, entry, account, grant_no, available_atoms, false)\n\
entries.transfer(entry, account, 1, refunded, available_atoms)\n\
end\n\
entries.transfer(entry, account, 3, refunded, owed_atoms)\n\
local main_no = #wallet.entries + 1\n\
local released_atoms = 0\n\
if hold then\n\
leg.settled = leg.settled + amount_atoms\n\
released_atoms = leg.held\n\
local ended = amount_atoms > 0 and 2 or 3\n\
holds.close(wallet, entry, hold, ended)\n\
else\n\
entries.append(wallet, entry)\n\
end\n\
local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq\n\
local reply = { 'taken_back', held_atoms, available_atoms, owed_atoms, released_atoms, version, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, main_no, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
do\n\
local run = require('run')\n\
redis.register_function({\n\
function_name = 'verify_run_760fe63656c3',\n\
flags = { 'no-writes' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local fence = ARGV[1]\n\
local run_id = ARGV[2]\n\
if redis.call('GET', fence_key) ~= fence then\n\
return { 'fenced' }\n\
end\n\
local present = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')\n\
local before = string.match(redis.call('INFO', 'replication'), 'master_replid2:(%w+)')\n\
if before and string.find(before, '[^0]') then\n\
present = present .. ':' .. before\n\
end\n\
if present ~= run_id then\n\
return { 'unverified' }\n\
end\n\
run.verified[fence_key] = fence\n\
return { 'verified' }\n\
end,\n\
})\n\
end\n\
do\n\
local commit = require('commit')\n\
local entries = require('entry')\n\
local grants = require('grants')\n\
local seal = require('seal')\n\
local wallets = require('wallet')\n\
redis.register_function({\n\
function_name = 'void_760fe63656c3',\n\
flags = { 'allow-oom' },\n\
callback = function(KEYS, ARGV)\n\
if not bound then bind() end\n\
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data\n\
local clock_key = KEYS[2] -- packed: seq, time, epoch\n\
local wallet_key = KEYS[3] -- hash: see lib/wallet.lua\n\
local holds_key = KEYS[4] -- hash: the wallet's open holds\n\
local deadlines_key = KEYS[5] -- sorted set: holds and wallets by the instant at which they are due\n\
local operation_key = KEYS[6] -- string: what this operation answered\n\
local outbox_key = KEYS[7] -- stream: entries on their way to the ledger\n\
local fence = ARGV[1]\n\
local not_after_ms = tonumber(ARGV[2])\n\
local environment = ARGV[3]\n\
local operation_id = ARGV[4]\n\
local fingerprint = ARGV[5]\n\
local keep_ms = ARGV[6] -- how long the answer is remembered\n\
local asset = ARGV[7]\n\
local grant_no = tonumber(ARGV[8])\n\
local attached = ARGV[9]\n\
local looked_up = ARGV[10] -- '1': the ledger does not have this operation; '2': it has; '0': nobody has asked it\n\
local wallet, refusal = wallets.open(\n\
fence_key,\n\
clock_key,\n\
wallet_key,\n\
operation_key,\n\
fence,\n\
not_after_ms,\n\
fingerprint,\n\
environment,\n\
asset,\n\
looked_up\n\
)\n\
if not wallet then\n\
return refusal\n\
end\n\
local terms = wallets.terms(wallet, grant_no)\n\
if not terms or terms.asset ~= wallet.account.asset then\n\
return { 'unknown_grant' }\n\
elseif terms.state ~= 1 and terms.state ~= 2 then\n\
local state = terms.state\n\
return { 'ended', state }\n\
end\n\
local account = wallet.account\n\
local entry = entries.begin(11, account)\n\
entry.grant_no = grant_no\n\
local taken_atoms\n\
local held_atoms = 0\n\
if terms.state == 1 then\n\
taken_atoms = terms.amount\n\
account.scheduled = account.scheduled - taken_atoms\n\
account.changed = true\n\
wallets.end_grant(wallet, grant_no)\n\
else\n\
local grant = wallets.grant(wallet, grant_no)\n\
taken_atoms, held_atoms = grant.remaining, grant.held\n\
entries.transfer(entry, account, 1, 7, taken_atoms)\n\
grants.leave_order(wallet, account, grant_no)\n\
grant.remaining = 0\n\
entries.touch(entry, grant)\n\
end\n\
terms.state = 4\n\
terms.changed = true\n\
entries.append(wallet, entry)\n\
local at_ms, version, epoch, seq = wallet.now_ms, wallet.version, wallet.epoch, wallet.seq\n\
local reply = { 'voided', taken_atoms, held_atoms, at_ms, version, epoch, seq }\n\
reply = seal.operation(wallet, outbox_key, #wallet.entries, operation_id, fingerprint, keep_ms, attached, reply)\n\
commit(wallet, clock_key, holds_key, deadlines_key, operation_key)\n\
return reply\n\
end,\n\
})\n\
end\n\
";
