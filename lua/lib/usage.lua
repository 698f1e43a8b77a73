-- Usage that counts over a period: what it costs after what was used before, and the counters that say so.
--
-- A counter is one price's, with a bucket for each window: what was used in it, and what that was billed. The gateway
-- sends the windows, since Lua knows no time zones. A charge counts in the window of now, a settle in the one in which
-- its hold was opened; a bucket stays for a day after its window, and a hold that was opened longer ago counts where a
-- day ago lies.
--
-- A hold counts nothing: it sets aside the most that its usage can cost as the counter stands. So what was used is
-- billed in the order of charges and settles, and the whole costs what all of it costs at once. What is billed is what
-- usage costs, whatever is taken of that (`up_to`, `cap`).
--
-- A price whose next version has other terms keeps its count: what was used counts as billed by the new terms, so that
-- nobody pays for it again.
local codes = require('codes')
local counters = require('counters')
local staleness = require('stale')
local tiers = require('tiers')

local usage = {}

-- As sent: the counter's name, asset, part of the leg in it (lib/scopes.lua), the window's start and end, which terms,
-- and the line as tiers.lua takes it.
local SENT = '>c8HBddI4Hc0'
-- Start, end, which terms, units and millionths used, atoms billed.
local BUCKET = '>ddI4dI4d'
local BUCKET_LENGTH = 40
local NO_LINES = {}

local function make(packed)
  local counter = { buckets = {} }
  for at = 1, packed and #packed or 0, BUCKET_LENGTH do
    local bucket = {}
    bucket.from, bucket.till, bucket.terms, bucket.units, bucket.millionths, bucket.billed =
      struct.unpack(BUCKET, packed, at)
    counter.buckets[#counter.buckets + 1] = bucket
  end
  return counter
end

local function pack(counter)
  local parts = {}
  for i, bucket in ipairs(counter.buckets) do
    parts[i] =
      struct.pack(BUCKET, bucket.from, bucket.till, bucket.terms, bucket.units, bucket.millionths, bucket.billed)
  end
  return table.concat(parts)
end

local function bucket_of(counter, from, till)
  for _, bucket in ipairs(counter.buckets) do
    if bucket.from == from and bucket.till == till then
      return bucket
    end
  end
end

-- What was used and billed before: nothing is counted yet where there is no bucket.
local function before(line)
  local bucket = bucket_of(line.counter, line.from, line.till)
  if not bucket then
    return 0, 0, 0
  elseif bucket.terms == line.terms then
    return bucket.units, bucket.millionths, bucket.billed
  end
  return bucket.units, bucket.millionths, tiers.total(line.packed, bucket.units, bucket.millionths)
end

-- Whether a counter, as it is stored, counts for nothing any more.
function usage.is_over(packed, now_ms)
  for _, bucket in ipairs(make(packed).buckets) do
    if bucket.till > now_ms - codes.limit.usage_keep_ms then
      return false
    end
  end
  return true
end

-- When a hold's usage happened, as far as windows go.
function usage.instant_of(wallet, hold)
  return math.max(hold.created_at_ms, wallet.now_ms - codes.limit.usage_keep_ms)
end

-- The lines that were sent, with what each costs: `exact`ly, or the most that it can. Nothing is counted yet. Nil and
-- the refusal when a window is not the one of `at_ms`, or when a line costs more than one amount may be.
function usage.price(wallet, packed, at_ms, exact)
  if packed == '' then
    return NO_LINES
  end
  local lines, at = {}, 1
  while at <= #packed do
    local line = {}
    local name
    name, line.asset, line.part, line.from, line.till, line.terms, line.packed, at = struct.unpack(SENT, packed, at)
    if at_ms < line.from or at_ms >= line.till then
      return nil, staleness.refuse(wallet, 0, at_ms)
    end
    line.counter = counters.get(wallet, 'u' .. name, make)
    lines[#lines + 1] = line
    local units, millionths, billed = before(line)
    if billed and exact then
      line.atoms, line.units, line.millionths = tiers.cost(line.packed, units, millionths, billed)
      line.billed = line.atoms and billed + line.atoms
    elseif billed then
      line.atoms = tiers.most(line.packed, units, millionths, billed)
    end
    if not line.atoms then
      local line_no = #lines
      return nil, { 'too_large', line_no }
    end
  end
  return lines
end

-- Each leg is asked for what its asset's lines cost, on top of its `amount` or its `due`. The refusal when that is more
-- than one amount may be.
function usage.add(lines, list, of)
  if not lines[1] then
    return
  end
  for line_no, line in ipairs(lines) do
    for _, leg in ipairs(list) do
      if leg.asset == line.asset then
        leg[of] = (leg[of] or 0) + line.atoms
        if leg[of] > codes.limit.amount_atoms then
          return { 'too_large', line_no }
        end
      end
    end
  end
end

-- Where legs are in parts, by the scopes that cover them, each line belongs to one; one that falls back is by itself.
function usage.add_to_parts(lines, list)
  if not lines[1] then
    return
  end
  for _, line in ipairs(lines) do
    for _, leg in ipairs(list) do
      if leg.asset == line.asset and leg.parts and line.part > 0 then
        local part = leg.parts[line.part]
        part.atoms = part.atoms + line.atoms
      end
    end
  end
end

-- The lines were charged or settled with this entry.
function usage.count(wallet, entry, lines)
  for _, line in ipairs(lines) do
    local kept = {}
    for _, bucket in ipairs(line.counter.buckets) do
      if bucket.till > wallet.now_ms - codes.limit.usage_keep_ms then
        kept[#kept + 1] = bucket
      end
    end
    line.counter.buckets = kept
    local bucket = bucket_of(line.counter, line.from, line.till)
    if not bucket then
      bucket = { from = line.from, till = line.till }
      kept[#kept + 1] = bucket
    end
    bucket.terms, bucket.units, bucket.millionths, bucket.billed = line.terms, line.units, line.millionths, line.billed
    counters.touch(entry, line.counter, pack)
  end
end

-- For replies: what the first leg was asked for in all, then what each line costs.
function usage.text(lines, first_atoms)
  if not lines[1] then
    return ''
  end
  local texts = { string.format('%d', first_atoms) }
  for _, line in ipairs(lines) do
    texts[#texts + 1] = string.format('%d', line.atoms)
  end
  return table.concat(texts, ' ')
end

return usage
