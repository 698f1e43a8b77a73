-- The usual hold and the usual charge, in one piece: one amount, all of it from the grant that is spent first, which
-- keeps some.
--
-- A short cut and nothing more. Whether money is taken has been decided before; and what is written is, byte for byte,
-- what grants.lua, holds.lua, entry.lua and seal.lua write in a dozen steps, for a third of the instructions (figures
-- in ARCHITECTURE.md). Those say what it means, and whatever is not that usual goes through them. The random stories
-- go both ways, and compare all that is stored.
local budgets = require('budgets')
local codes = require('codes')
local counters = require('counters')
local operation = require('operation')
local wallets = require('wallet')

local plain = {}

-- As entry.lua has it: the head, one leg with one transfer, one grant that moved, no grant's terms.
local MOVED = '>BBBBddI4c12c22BHddddBBBdHI4ddI4'
local FORMAT = 1
local NO_HOLD = '\0'
local NO_COUNTERS = '\0'
-- As holds.lua has it, with one source.
local HOLD = '>HddddddI4d'

-- Whether so much comes from the first grant alone, nothing was due before, and no trigger fires.
function plain.fits(wallet, atoms)
  local account = wallet.account
  if atoms == 0 or account.order == '' or wallet.due then
    return false
  elseif account.fires_below and account.available - account.scoped - atoms < account.fires_below then
    return false
  end
  return wallets.grant(wallet, (struct.unpack('>I4', account.order))).remaining > atoms
end

-- Take the money as the wallet's next version. Returns the head of its entry, and the grant's number.
local function take(wallet, kind, credit, atoms, into_hold_atoms)
  local account = wallet.account
  local grant_no = struct.unpack('>I4', account.order)
  local grant = wallets.grant(wallet, grant_no)
  local version, remaining, grant_held = wallet.version + 1, grant.remaining - atoms, grant.held + into_hold_atoms
  local available, held = account.available - atoms, account.held + into_hold_atoms
  wallet.version, wallet.seq = version, wallet.seq + 1
  account.available, account.held = available, held
  grant.remaining, grant.held = remaining, grant_held
  local moved = struct.pack(
    MOVED,
    FORMAT,
    kind,
    0,
    codes.freeze.none,
    version,
    wallet.now_ms,
    wallet.epoch,
    wallet.environment,
    wallet.id,
    1,
    account.asset,
    available,
    held,
    account.overage,
    account.scheduled,
    1,
    codes.account.available,
    credit,
    atoms,
    1,
    grant_no,
    remaining,
    grant_held,
    0
  )
  wallet.fields = {
    'w',
    wallets.pack_meta(wallet),
    account.field,
    wallets.pack_account(account),
    grant.field,
    wallets.pack_grant(grant),
    -- Room for counters.
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
    nil,
  }
  return moved, grant_no
end

-- The counters that changed, as the entry has them.
local function count(wallet, entry)
  local packed = counters.pack(entry)
  counters.add_fields(wallet, wallet.fields)
  return packed
end

-- As seal.operation does it.
local function seal(
  wallet,
  outbox_key,
  moved,
  hold_packed,
  counters_packed,
  operation_id,
  fingerprint,
  keep_ms,
  attached,
  reply,
  numbers_count
)
  local reply_head, reply_texts = operation.pack(reply, numbers_count)
  if keep_ms ~= '0' then
    wallet.record = fingerprint .. reply_head .. reply_texts
    wallet.keep_ms = keep_ms
  end
  wallet.entries[1] = {
    id = string.format('%d-0', wallet.seq),
    packed = moved .. hold_packed .. counters_packed .. struct.pack(
      '>Bc0c11H',
      #operation_id,
      operation_id,
      fingerprint,
      #reply_head + #reply_texts
    ) .. reply_head .. reply_texts .. attached,
  }
  wallet.outbox_key = outbox_key
  wallet.clock = struct.pack('>ddd', wallet.seq, wallet.now_ms, wallet.epoch)
end

function plain.hold(wallet, list, sent, told_text, ttl_ms, outbox_key, operation_id, fingerprint, keep_ms, attached)
  local take_atoms = list[1].amount
  wallet.open_holds = wallet.open_holds + 1
  local moved, grant_no = take(wallet, codes.kind.hold, codes.account.held, take_atoms, take_atoms)
  local account = wallet.account
  local created_at_ms, version, epoch, seq = wallet.now_ms, wallet.version, wallet.epoch, wallet.seq
  local expires_at_ms = created_at_ms + ttl_ms
  local ref = string.format('%d.%d', epoch, version)
  local packed =
    struct.pack(HOLD, account.asset, take_atoms, take_atoms, 0, 0, created_at_ms, expires_at_ms, grant_no, take_atoms)
  local counters_packed = NO_COUNTERS
  if sent[1] then
    local entry = { counters = nil }
    packed = packed .. budgets.hold(sent, entry, list)
    counters_packed = count(wallet, entry)
  end
  wallet.holds = { ref, packed }
  wallet.deadlines = { string.format('%d', expires_at_ms), wallet.id .. ref }
  local available_atoms, held_atoms, legs_text, lines_text = account.available, account.held, '', ''
  local reply = {
    'approved',
    take_atoms,
    available_atoms,
    held_atoms,
    created_at_ms,
    version,
    epoch,
    seq,
    legs_text,
    told_text,
    lines_text,
  }
  local hold_packed = struct.pack('>Bc0BHc0', #ref, ref, codes.hold_status.open, #packed, packed)
  seal(wallet, outbox_key, moved, hold_packed, counters_packed, operation_id, fingerprint, keep_ms, attached, reply, 7)
  return reply
end

function plain.charge(wallet, list, sent, told_text, outbox_key, operation_id, fingerprint, keep_ms, attached)
  local take_atoms = list[1].amount
  local moved = take(wallet, codes.kind.charge, codes.account.revenue, take_atoms, 0)
  local account = wallet.account
  local counters_packed = NO_COUNTERS
  if sent[1] then
    local entry = { counters = nil }
    budgets.charge(sent, entry, account.asset, take_atoms)
    counters_packed = count(wallet, entry)
  end
  local version, epoch, seq = wallet.version, wallet.epoch, wallet.seq
  local available_atoms, held_atoms, legs_text, lines_text = account.available, account.held, '', ''
  local reply =
    { 'charged', take_atoms, available_atoms, held_atoms, version, epoch, seq, legs_text, told_text, lines_text }
  seal(wallet, outbox_key, moved, NO_HOLD, counters_packed, operation_id, fingerprint, keep_ms, attached, reply, 6)
  return reply
end

return plain
