-- Budgets: how much may be spent per period, by everything that matches; checked and counted with the money itself.
--
-- The gateway decides which budgets match a request, and sends their limits and windows, since Lua knows no time
-- zones. What was spent and is held stands in a counter for each: buckets of (name, spent, held). A calendar period
-- has one bucket, named by the instant at which its window began; a rolling one has 60, named by their number. A
-- bucket that counts no longer is forgotten with the next change.
--
-- A hold is tagged with the bucket that it counts in, one for each budget. What it spends or gives back changes that,
-- and nothing once it is gone. What is spent beyond a hold counts there, too, and may exceed the limit: the work was
-- done.
-- An extension brings what the hold counts into the present bucket, so that a hold has no more tags than budgets.
--
-- A hold is tagged for budgets of assets that it is not in, too: it may be settled in them.
--
-- Thresholds stand in the counter as they were last sent, so that a settle, which sends none, tells of all that it
-- passes; behind those that were told of. A budget's limit may change, and its thresholds with it: those that are not
-- the same amounts are others.
local codes = require('codes')
local counters = require('counters')
local entries = require('entry')

local budgets = {}

-- As sent: number, asset, hard (1) or alert (0), limit; start and end of the window, or a bucket's width and 0; how
-- many thresholds, which follow, in atoms, smallest first.
local SENT = '>HHBdddB'
-- How many thresholds were told of, and in which bucket the first of them was; a bucket's width (0: the period is a
-- calendar's); how many thresholds there are. Then those that were told of, in that order, all there are, and the
-- buckets.
local COUNTER = '>BddB'
local BUCKET = '>ddd'
local BUCKET_LENGTH = 24
local ROLLING_BUCKETS = 60
-- Alerts count on past any limit, and stand still where doubles end.
local SPENT_MAX = codes.limit.balance_atoms
local NEVER_ATOMS = 2 * codes.limit.balance_atoms
-- Told of and remembered, in one window: what a limit that changes all the time may lead to.
local TOLD_MAX = 64

local function make(packed)
  local counter = { told = {}, told_in = 0, width = 0, thresholds = {}, buckets = {} }
  if packed then
    local told_count, count, at
    told_count, counter.told_in, counter.width, count, at = struct.unpack(COUNTER, packed)
    for i = 1, told_count do
      counter.told[i], at = struct.unpack('>d', packed, at)
    end
    for i = 1, count do
      counter.thresholds[i], at = struct.unpack('>d', packed, at)
    end
    for from = at, #packed, BUCKET_LENGTH do
      local name, spent, held = struct.unpack(BUCKET, packed, from)
      counter.buckets[#counter.buckets + 1] = { name = name, spent = spent, held = held }
    end
  end
  return counter
end

local function pack(counter)
  local parts = { struct.pack(COUNTER, #counter.told, counter.told_in, counter.width, #counter.thresholds) }
  for _, threshold in ipairs(counter.told) do
    parts[#parts + 1] = struct.pack('>d', threshold)
  end
  for _, threshold in ipairs(counter.thresholds) do
    parts[#parts + 1] = struct.pack('>d', threshold)
  end
  for _, bucket in ipairs(counter.buckets) do
    parts[#parts + 1] = struct.pack(BUCKET, bucket.name, bucket.spent, bucket.held)
  end
  return table.concat(parts)
end

-- Only what still counts, from the bucket named `first` on. A threshold is told of again once the bucket counts no
-- longer in which the first one was: in the next window, or a rolling period later.
local function forget_before(counter, first)
  local kept = {}
  for _, bucket in ipairs(counter.buckets) do
    if bucket.name >= first then
      kept[#kept + 1] = bucket
    end
  end
  if counter.told_in < first then
    counter.told = {}
  end
  counter.buckets = kept
end

local function present_bucket(wallet, width)
  return math.floor(wallet.now_ms / width)
end

-- Of a calendar's period the counter cannot know whether it is over: the window that it knows stands until the next one
-- is sent.
local function counter_of(wallet, no)
  local counter = counters.get(wallet, string.format('b%d', no), make)
  if counter.width > 0 then
    forget_before(counter, present_bucket(wallet, counter.width) - ROLLING_BUCKETS + 1)
  end
  return counter
end

local function used(counter)
  local spent, held = 0, 0
  for _, bucket in ipairs(counter.buckets) do
    spent = spent + bucket.spent
    held = held + bucket.held
  end
  return spent, held
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

local function tag_of(tags, no)
  for _, tag in ipairs(tags) do
    if tag.no == no then
      return tag
    end
  end
end

-- The budgets that were sent, with what is left of each; nil when a window is not the one that the clock stands in.
-- With a hold's tags, only those that it counts in.
function budgets.open(wallet, packed, tags)
  local list = {}
  local at = 1
  while at <= #packed do
    local budget
    budget, at = read_sent(packed, at)
    local first, width = budget.from, 0
    budget.bucket = first
    if budget.till == 0 then
      width = budget.from
      budget.bucket = present_bucket(wallet, width)
      first = budget.bucket - ROLLING_BUCKETS + 1
    elseif wallet.now_ms < budget.from or wallet.now_ms >= budget.till then
      return nil
    end
    if not tags or tag_of(tags, budget.no) then
      budget.counter = counter_of(wallet, budget.no)
      forget_before(budget.counter, first)
      budget.counter.width = width
      budget.counter.thresholds = budget.thresholds
      budget.counter.is_sent = true
      local spent, held = used(budget.counter)
      budget.room = math.max(0, budget.limit - spent - held)
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

-- For who asks why: of each that was sent its number, and what is spent and held in its window.
function budgets.text(list)
  local texts = {}
  for i, budget in ipairs(list) do
    texts[i] = string.format('%d %d %d', budget.no, used(budget.counter))
  end
  return table.concat(texts, ' ')
end

local function bucket_of(counter, name)
  for _, bucket in ipairs(counter.buckets) do
    if bucket.name == name then
      return bucket
    end
  end
end

local function change(entry, counter, bucket, spent_atoms, held_atoms)
  if spent_atoms == 0 and held_atoms == 0 then
    return
  end
  bucket.spent = math.min(bucket.spent + spent_atoms, SPENT_MAX)
  bucket.held = bucket.held + held_atoms
  counters.touch(entry, counter, pack)
end

-- A hold of nothing has its bucket, too: what is spent beyond it counts there.
local function present(entry, budget)
  local counter = budget.counter
  local bucket = bucket_of(counter, budget.bucket)
  if not bucket then
    bucket = { name = budget.bucket, spent = 0, held = 0 }
    counter.buckets[#counter.buckets + 1] = bucket
    counters.touch(entry, counter, pack)
  end
  return bucket
end

local function hold_in(entry, budget, atoms, tags)
  local tag = tag_of(tags, budget.no)
  if not tag then
    tag = { no = budget.no, asset = budget.asset, bucket = budget.bucket, held = 0 }
    tags[#tags + 1] = tag
  end
  local before = bucket_of(budget.counter, tag.bucket)
  if not before then
    tag.held = 0
  elseif tag.bucket ~= budget.bucket then
    change(entry, budget.counter, before, 0, -tag.held)
    change(entry, budget.counter, present(entry, budget), 0, tag.held)
  end
  tag.bucket = budget.bucket
  tag.held = tag.held + atoms
  change(entry, budget.counter, present(entry, budget), 0, atoms)
end

-- What is taken of an asset counts in every budget of it: as held, with tags for the hold; or as spent.
function budgets.count(list, entry, asset, atoms, tags)
  for _, budget in ipairs(list) do
    if budget.asset == asset and tags and (atoms > 0 or not tag_of(tags, budget.no)) then
      hold_in(entry, budget, atoms, tags)
    elseif budget.asset == asset and atoms > 0 and not tags then
      change(entry, budget.counter, present(entry, budget), atoms, 0)
    end
  end
end

-- A hold that was opened has a tag for each budget, in whatever asset.
function budgets.tag_others(list, entry, tags)
  for _, budget in ipairs(list) do
    if not tag_of(tags, budget.no) then
      hold_in(entry, budget, 0, tags)
    end
  end
end

-- A hold's part in an asset was spent: `held_atoms` of what it held, and more beyond.
function budgets.spend(wallet, entry, tags, asset, held_atoms, beyond_atoms)
  for _, tag in ipairs(tags) do
    if tag.asset == asset then
      local part = math.min(held_atoms, tag.held)
      tag.held = tag.held - part
      local counter = counter_of(wallet, tag.no)
      local bucket = bucket_of(counter, tag.bucket)
      if bucket then
        change(entry, counter, bucket, part + beyond_atoms, -part)
      end
    end
  end
end

-- A hold ends: what it still held counts no more.
function budgets.give_back(wallet, entry, tags)
  for _, tag in ipairs(tags) do
    local counter = counter_of(wallet, tag.no)
    local bucket = bucket_of(counter, tag.bucket)
    if bucket then
      change(entry, counter, bucket, 0, -tag.held)
    end
    tag.held = 0
  end
end

local function was_told(counter, threshold)
  for _, told in ipairs(counter.told) do
    if told == threshold then
      return true
    end
  end
  return false
end

-- Of a budget that was deleted nothing is told, though holds count in it to their end. The configuration is JSON that
-- this does not read: no text in it can look like this, since quotes in texts are escaped.
local function is_standing(wallet, counter)
  local config_text = not counter.is_sent and redis.call('HGET', wallet.key, 'x')
  local named = string.format('"no":%s,', string.sub(counter.name, 2))
  return not config_text or string.find(config_text, named, 1, true) ~= nil
end

local function tell(wallet, counter, threshold)
  if #counter.told == 0 then
    counter.told_in = counter.width > 0 and present_bucket(wallet, counter.width) or counter.buckets[1].name
  elseif #counter.told >= TOLD_MAX then
    table.remove(counter.told, 1)
  end
  counter.told[#counter.told + 1] = threshold
  local entry = entries.begin(codes.kind.budget_alert, nil)
  counters.touch(entry, counter, pack)
  entries.append(wallet, entry)
end

-- Tell of thresholds that spending has passed, each by an entry of its own: the last one told of in its counter.
function budgets.alert(wallet)
  for _, counter in ipairs(wallet.counters_read or {}) do
    for _, threshold in ipairs(counter.thresholds or {}) do
      if used(counter) >= threshold and not was_told(counter, threshold) and is_standing(wallet, counter) then
        tell(wallet, counter, threshold)
      end
    end
  end
end

return budgets
