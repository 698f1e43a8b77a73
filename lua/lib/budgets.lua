-- Budgets: how much may be spent per period, by everything that matches; checked and counted with the money itself.
--
-- The gateway decides which budgets match a request, and sends their limits and windows, since Lua knows no time
-- zones. What was spent and is held stands in a counter for each: buckets of (name, spent, held). A calendar period
-- has one bucket, named by the instant at which its window began; a rolling one has 60, named by their number. A
-- bucket that counts no longer is forgotten with the next change.
--
-- A hold is tagged with the buckets that it counts in. What it spends or gives back changes those, and nothing once
-- they are gone. What is spent beyond a hold counts there, too, and may exceed the limit: the work was done.
local codes = require('codes')
local counters = require('counters')
local entries = require('entry')

local budgets = {}

-- As sent: number, asset, hard (1) or alert (0), limit; start and end of the window, or a bucket's width and 0; how
-- many thresholds, which follow, in atoms, smallest first.
local SENT = '>HHBdddB'
-- Thresholds passed in this window, and the next one; then the buckets.
local COUNTER = '>Bd'
local COUNTER_LENGTH = 9
local BUCKET = '>ddd'
local BUCKET_LENGTH = 24
local ROLLING_BUCKETS = 60
-- Alerts count on past any limit, and stand still where doubles end.
local SPENT_MAX = codes.limit.balance_atoms
local NEVER_ATOMS = 2 * codes.limit.balance_atoms

local function make(packed)
  local counter = { alerts = 0, next_atoms = NEVER_ATOMS, buckets = {} }
  if packed then
    counter.alerts, counter.next_atoms = struct.unpack(COUNTER, packed)
    for at = COUNTER_LENGTH + 1, #packed, BUCKET_LENGTH do
      local name, spent, held = struct.unpack(BUCKET, packed, at)
      counter.buckets[#counter.buckets + 1] = { name = name, spent = spent, held = held }
    end
  end
  return counter
end

local function pack(counter)
  local parts = { struct.pack(COUNTER, counter.alerts, counter.next_atoms) }
  for i, bucket in ipairs(counter.buckets) do
    parts[i + 1] = struct.pack(BUCKET, bucket.name, bucket.spent, bucket.held)
  end
  return table.concat(parts)
end

local function counter_of(wallet, no)
  return counters.get(wallet, string.format('b%d', no), make)
end

-- Only what still counts, from the bucket named `first` on. Thresholds that were passed are a calendar window's own.
local function forget_before(counter, first, is_rolling)
  local kept = {}
  for _, bucket in ipairs(counter.buckets) do
    if bucket.name >= first then
      kept[#kept + 1] = bucket
    end
  end
  if #kept == 0 and not is_rolling then
    counter.alerts = 0
  end
  counter.buckets = kept
end

local function used(counter)
  local spent, held = 0, 0
  for _, bucket in ipairs(counter.buckets) do
    spent = spent + bucket.spent
    held = held + bucket.held
  end
  return spent, held
end

-- The threshold after those that were passed, as far as this call knows them.
local function next_of(counter)
  return counter.thresholds and counter.thresholds[counter.alerts + 1] or NEVER_ATOMS
end

local function read_sent(packed, at)
  local budget = { thresholds = {} }
  local count
  budget.no, budget.asset, budget.hard, budget.limit, budget.from, budget.till, count, at =
    struct.unpack(SENT, packed, at)
  for i = 1, count do
    budget.thresholds[i], at = struct.unpack('>d', packed, at)
  end
  return budget, at
end

local function is_tagged(tags, no)
  for _, tag in ipairs(tags) do
    if tag.no == no then
      return true
    end
  end
  return false
end

-- The budgets that were sent, with what is left of each; nil when a window is not the one that the clock stands in.
-- With a hold's tags, only those that it counts in.
function budgets.open(wallet, packed, tags)
  local list = {}
  local at = 1
  while at <= #packed do
    local budget
    budget, at = read_sent(packed, at)
    local is_rolling = budget.till == 0
    local first
    if is_rolling then
      budget.bucket = math.floor(wallet.now_ms / budget.from)
      first = budget.bucket - ROLLING_BUCKETS + 1
    elseif wallet.now_ms < budget.from or wallet.now_ms >= budget.till then
      return nil
    else
      budget.bucket, first = budget.from, budget.from
    end
    budget.counter = counter_of(wallet, budget.no)
    forget_before(budget.counter, first, is_rolling)
    budget.counter.thresholds = budget.thresholds
    budget.counter.next_atoms = next_of(budget.counter)
    local spent, held = used(budget.counter)
    budget.room = math.max(0, budget.limit - spent - held)
    if not tags or is_tagged(tags, budget.no) then
      list[#list + 1] = budget
    end
  end
  return list
end

-- The tightest hard budget in an asset: what is left of it, and its number; past any amount when there is none.
function budgets.tightest(list, asset)
  local room, no = NEVER_ATOMS, 0
  for _, budget in ipairs(list) do
    if budget.hard == 1 and budget.asset == asset and budget.room < room then
      room, no = budget.room, budget.no
    end
  end
  return room, no
end

local function bucket_of(counter, name)
  for _, bucket in ipairs(counter.buckets) do
    if bucket.name == name then
      return bucket
    end
  end
end

local function change(entry, counter, bucket, spent_atoms, held_atoms)
  bucket.spent = math.min(bucket.spent + spent_atoms, SPENT_MAX)
  bucket.held = bucket.held + held_atoms
  counters.touch(entry, counter, pack)
end

-- What is taken of an asset counts in every budget of it: as held, with tags for the hold; or as spent.
function budgets.count(list, entry, asset, atoms, tags)
  for _, budget in ipairs(list) do
    if budget.asset == asset then
      local counter = budget.counter
      local bucket = bucket_of(counter, budget.bucket)
      if not bucket then
        bucket = { name = budget.bucket, spent = 0, held = 0 }
        counter.buckets[#counter.buckets + 1] = bucket
      end
      if tags then
        change(entry, counter, bucket, 0, atoms)
        tags[#tags + 1] = { no = budget.no, asset = asset, bucket = budget.bucket, held = atoms }
      else
        change(entry, counter, bucket, atoms, 0)
      end
    end
  end
end

-- A hold's part in an asset was spent: `held_atoms` of what it held, and more beyond. Tags of one budget, from before
-- and after an extension, are used up in turn.
function budgets.spend(wallet, entry, tags, asset, held_atoms, beyond_atoms)
  local left, last = {}, {}
  for _, tag in ipairs(tags) do
    if tag.asset == asset then
      local part = math.min(left[tag.no] or held_atoms, tag.held)
      left[tag.no] = (left[tag.no] or held_atoms) - part
      tag.held = tag.held - part
      local counter = counter_of(wallet, tag.no)
      local bucket = bucket_of(counter, tag.bucket)
      if bucket then
        change(entry, counter, bucket, part, -part)
        last[tag.no] = bucket
      end
    end
  end
  for no, bucket in pairs(last) do
    change(entry, counter_of(wallet, no), bucket, beyond_atoms, 0)
  end
end

-- A hold ends: what it still held counts no more.
function budgets.give_back(wallet, entry, tags)
  for _, tag in ipairs(tags) do
    local counter = counter_of(wallet, tag.no)
    local bucket = bucket_of(counter, tag.bucket)
    if bucket and tag.held > 0 then
      change(entry, counter, bucket, 0, -tag.held)
    end
    tag.held = 0
  end
end

-- Tell of thresholds that spending has passed, each by an entry of its own, once in a window.
--
-- Only who authorizes or charges sends thresholds, so a counter remembers the next one: a settle passes that, and what
-- lies beyond it is told of when the budget is next sent.
function budgets.alert(wallet)
  for _, counter in ipairs(wallet.counters_read or {}) do
    while counter.next_atoms and used(counter) >= counter.next_atoms do
      counter.alerts = counter.alerts + 1
      counter.next_atoms = next_of(counter)
      local entry = entries.begin(codes.kind.budget_alert, nil)
      counters.touch(entry, counter, pack)
      entries.append(wallet, entry)
    end
  end
end

return budgets
