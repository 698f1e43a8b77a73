-- Entries: one for each new version of a wallet, complete enough to rebuild it.
--
-- The layout is read back by src/outbox/entry.ts; change both, and FORMAT, together:
--   B format, B kind, B late, B freeze, d version, d at_ms, I4 epoch, c12 environment, c22 wallet
--   B legs × { H asset, dddd account after, B transfers × { B debit, B credit, d atoms } }
--   H moves × { I4 grant, d remaining after, d held after }
--   I4 grant (0: none), its terms after
--   B length, hold ref (0: none) [, B status, H length, hold after]
--   B counters × { B length, name, H length, counter after }
--   B length, operation id; c11 fingerprint; H length, reply
--   the rest: what the caller attached
local codes = require('codes')
local counters = require('counters')
local triggers = require('triggers')
local wallets = require('wallet')

local entries = {}

local FORMAT = 1
local NO_GRANT = '\0\0\0\0'
local AVAILABLE, HELD, OVERAGE = codes.account.available, codes.account.held, codes.account.overage

-- Begin the entry of the next version. `account` is the first of its legs, whether money moves in it or not; nil when
-- no money is concerned. Other accounts become legs when money first moves in them.
function entries.begin(kind, account)
  return {
    kind = kind,
    accounts = { account },
    transfers = false, -- debit, credit, atoms, account, in turn
    touched = false,
    hold_ref = false,
    hold_status = false,
    hold_packed = false,
  }
end

local function add_leg(entry, account)
  local accounts = entry.accounts
  for i = 1, #accounts do
    if accounts[i] == account then
      return
    end
  end
  accounts[#accounts + 1] = account
end

-- Move money of one asset, whose account is given, from one side of the double entry to another: the only place where a
-- balance changes. A leg has one transfer for each pair of sides.
function entries.transfer(entry, account, debit, credit, atoms)
  if atoms == 0 then
    return
  end
  if entry.accounts[1] ~= account then
    add_leg(entry, account)
  end
  if debit == AVAILABLE then
    account.available = account.available - atoms
  elseif debit == HELD then
    account.held = account.held - atoms
  elseif debit == OVERAGE then
    account.overage = account.overage + atoms
  end
  if credit == AVAILABLE then
    account.available = account.available + atoms
  elseif credit == HELD then
    account.held = account.held + atoms
  elseif credit == OVERAGE then
    account.overage = account.overage - atoms
  end
  account.changed = true
  local transfers = entry.transfers
  if not transfers then
    entry.transfers = { debit, credit, atoms, account, nil, nil, nil, nil }
    return
  end
  for i = 1, #transfers, 4 do
    if transfers[i] == debit and transfers[i + 1] == credit and transfers[i + 3] == account then
      transfers[i + 2] = transfers[i + 2] + atoms
      return
    end
  end
  local n = #transfers
  transfers[n + 1], transfers[n + 2], transfers[n + 3], transfers[n + 4] = debit, credit, atoms, account
end

-- Say that a grant's numbers changed: it is written, and named in the entry.
function entries.touch(entry, grant)
  grant.changed = true
  if grant.touched_by == entry then
    return
  end
  grant.touched_by = entry
  if entry.touched then
    entry.touched[#entry.touched + 1] = grant
  else
    entry.touched = { grant }
  end
end

local function pack_leg(account, transfers)
  if transfers and #transfers == 4 and transfers[4] == account then
    return struct.pack(
      '>HddddBBBd',
      account.asset,
      account.available,
      account.held,
      account.overage,
      account.scheduled,
      1,
      transfers[1],
      transfers[2],
      transfers[3]
    )
  end
  local count, packed = 0, ''
  for i = 1, transfers and #transfers or 0, 4 do
    if transfers[i + 3] == account then
      packed = packed .. struct.pack('>BBd', transfers[i], transfers[i + 1], transfers[i + 2])
      count = count + 1
    end
  end
  return struct.pack(
    '>HddddB',
    account.asset,
    account.available,
    account.held,
    account.overage,
    account.scheduled,
    count
  ) .. packed
end

local function pack_legs(entry)
  local list = entry.accounts
  local packed = list[1] and pack_leg(list[1], entry.transfers) or ''
  for i = 2, #list do
    packed = packed .. pack_leg(list[i], entry.transfers)
  end
  return packed
end

local function pack_moves(list)
  if not list then
    return '\0\0'
  elseif not list[2] then
    return struct.pack('>HI4dd', 1, list[1].no, list[1].remaining, list[1].held)
  end
  local moves = { struct.pack('>H', #list) }
  for i = 1, #list do
    moves[i + 1] = struct.pack('>I4dd', list[i].no, list[i].remaining, list[i].held)
  end
  return table.concat(moves)
end

local function pack_hold(entry)
  if not entry.hold_ref then
    return '\0'
  end
  return struct.pack('>Bc0BH', #entry.hold_ref, entry.hold_ref, entry.hold_status, #entry.hold_packed)
    .. entry.hold_packed
end

-- Close the entry as the wallet's next version.
--
-- A grant with nothing left and nothing held leaves the wallet with it.
function entries.append(wallet, entry)
  wallet.version = wallet.version + 1
  wallet.seq = wallet.seq + 1
  local head = struct.pack(
    '>BBBBddI4c12c22B',
    FORMAT,
    entry.kind,
    entry.late and 1 or 0,
    wallet.freeze,
    wallet.version,
    entry.at_ms or wallet.now_ms,
    wallet.epoch,
    wallet.environment,
    wallet.id,
    #entry.accounts
  )
  for i = 1, #entry.accounts do
    if entry.accounts[i].fires_below then
      triggers.look(wallet, entry, entry.accounts[i])
    end
  end
  local packed = head .. pack_legs(entry) .. pack_moves(entry.touched)
  local touched = entry.touched
  for i = 1, touched and #touched or 0 do
    if touched[i].remaining == 0 and touched[i].held == 0 then
      wallets.end_grant(wallet, touched[i].no)
    end
  end
  local terms = NO_GRANT
  if entry.grant_no then
    terms = struct.pack('>I4', entry.grant_no) .. wallets.pack_terms(wallet.terms[entry.grant_no])
  end
  wallet.entries[#wallet.entries + 1] = {
    id = string.format('%d-0', wallet.seq),
    packed = packed .. terms .. pack_hold(entry) .. counters.pack(entry),
  }
end

return entries
