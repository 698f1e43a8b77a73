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
local SENT_LENGTH = 30
-- How many thresholds were told of, and in which bucket the first of them was; a bucket's width (0: the period is a
-- calendar's); how many thresholds there are. Then those that were told of, in that order, all there are, and the
-- buckets.
local COUNTER = '>BddB'
local NUMBER_LENGTH = 8
-- How a tag stands behind a hold's legs (lib/holds.lua): number, asset, bucket, atoms that count as held.
local TAG = '>I4HHHdd'
-- Both, as nearly every counter is: nothing told of, no thresholds, one bucket.
local PLAIN = '>BddBddd'
local PLAIN_LENGTH = 42
local ROLLING_BUCKETS = 60
-- Of what is not there; never added to.
local NONE = {}
-- Alerts count on past any limit, and stand still where doubles end.
local SPENT_MAX = codes.limit.balance_atoms
local NEVER_ATOMS = 2 * codes.limit.balance_atoms
-- Told of and remembered, in one window: what a limit that changes all the time may lead to.
local TOLD_MAX = 64

local function packing(count)
  return '>' .. string.rep('d', count)
end

local function read_numbers(packed, at, count)
  if count == 0 then
    return NONE, at
  end
  local numbers = { struct.unpack(packing(count), packed, at) }
  -- The last value is where reading stopped.
  at = numbers[count + 1]
  numbers[count + 1] = nil
  return numbers, at
end

local function pack_numbers(numbers)
  return numbers[1] and struct.pack(packing(#numbers), unpack(numbers)) or ''
end

-- `packed` is false where nothing was counted yet.
local function make(packed)
  local told, told_in, width, thresholds, buckets = NONE, 0, 0, NONE, NONE
  if packed and #packed == PLAIN_LENGTH then
    local name, spent, held, _
    _, told_in, width, _, name, spent, held = struct.unpack(PLAIN, packed)
    buckets = { name, spent, held }
  elseif packed then
    local told_count, thresholds_count, at
    told_count, told_in, width, thresholds_count, at = struct.unpack(COUNTER, packed)
    told, at = read_numbers(packed, at, told_count)
    thresholds, at = read_numbers(packed, at, thresholds_count)
    buckets = read_numbers(packed, at, (#packed - at + 1) / NUMBER_LENGTH)
  end
  return {
    name = false,
    told = told,
    told_in = told_in,
    width = width,
    thresholds = thresholds,
    buckets = buckets, -- names, spent and held, in turn, oldest first
    -- For who writes it: see lib/counters.lua.
    pack = false,
    touched_by = false,
    packed = false,
    -- Of a budget that was sent: its terms, the bucket that it counts in now, and what is left of it.
    no = 0,
    asset = 0,
    hard = 0,
    bucket = false,
    room = 0,
  }
end

local function pack(counter)
  local told, thresholds, buckets = counter.told, counter.thresholds, counter.buckets
  if #buckets == 3 and not told[1] and not thresholds[1] then
    return struct.pack(PLAIN, 0, counter.told_in, counter.width, 0, buckets[1], buckets[2], buckets[3])
  end
  return struct.pack(COUNTER, #told, counter.told_in, counter.width, #thresholds)
    .. pack_numbers(told)
    .. pack_numbers(thresholds)
    .. pack_numbers(buckets)
end

-- Only what still counts, from the bucket named `first` on. A threshold is told of again once the bucket counts no
-- longer in which the first one was: in the next window, or a rolling period later.
local function forget_before(counter, first)
  local buckets = counter.buckets
  local gone = 0
  while buckets[gone + 1] and buckets[gone + 1] < first do
    gone = gone + 3
  end
  if gone > 0 then
    counter.buckets = { unpack(buckets, gone + 1) }
  end
  if counter.told_in < first and counter.told[1] then
    counter.told = NONE
  end
end

local function present_bucket(wallet, width)
  return math.floor(wallet.now_ms / width)
end

local function name_of(no)
  return string.format('b%d', no)
end

-- Of a calendar's period the counter cannot know whether it is over: the window that it knows stands until the next one
-- is sent.
local function read_counters(wallet, names)
  local list = counters.read(wallet, names, make)
  for i = 1, #list do
    if list[i].width > 0 then
      forget_before(list[i], present_bucket(wallet, list[i].width) - ROLLING_BUCKETS + 1)
    end
  end
  return list
end

-- Each tag gets its counter.
local function find_counters(wallet, tags)
  if tags[1].counter then
    return
  end
  local names = { nil, nil, nil, nil }
  for i = 1, #tags do
    names[i] = name_of(tags[i].no)
  end
  local list = read_counters(wallet, names)
  for i = 1, #tags do
    tags[i].counter = list[i]
  end
end

local function used(counter)
  local buckets = counter.buckets
  local spent, held = 0, 0
  for i = 1, #buckets, 3 do
    spent = spent + buckets[i + 1]
    held = held + buckets[i + 2]
  end
  return spent, held
end

-- The present bucket, nil where the clock does not stand in the window; the oldest one that counts; a bucket's width.
local function buckets_of(wallet, from, till)
  if till == 0 then
    local bucket = present_bucket(wallet, from)
    return bucket, bucket - ROLLING_BUCKETS + 1, from
  elseif wallet.now_ms < from or wallet.now_ms >= till then
    return nil
  end
  return from, from, 0
end

local function tag_of(tags, no)
  for i = 1, #tags do
    if tags[i].no == no then
      return tags[i]
    end
  end
end

-- Where each budget that was sent begins, and its counter's name.
local function find_sent(packed)
  local places, names = { nil, nil, nil, nil }, { nil, nil, nil, nil }
  local at = 1
  while at <= #packed do
    local n = #places + 1
    places[n], names[n] = at, name_of((struct.unpack('>H', packed, at)))
    at = at + SENT_LENGTH + NUMBER_LENGTH * string.byte(packed, at + SENT_LENGTH - 1)
  end
  return places, names
end

local function tagged(list, tags)
  local found = {}
  for i = 1, #list do
    if tag_of(tags, list[i].no) then
      found[#found + 1] = list[i]
    end
  end
  return found
end

-- The counters of the budgets that were sent, with what is left of each; nil when a window is not the one that the
-- clock stands in. With a hold's tags, only those that it counts in.
function budgets.open(wallet, packed, tags)
  if packed == '' then
    return NONE
  end
  local places, names = find_sent(packed)
  local list = read_counters(wallet, names)
  for i = 1, #list do
    local counter = list[i]
    local no, asset, hard, limit, from, till, count, at = struct.unpack(SENT, packed, places[i])
    local bucket, first, width = buckets_of(wallet, from, till)
    if not bucket then
      return nil
    end
    forget_before(counter, first)
    counter.width = width
    counter.thresholds = read_numbers(packed, at, count)
    local spent, held = used(counter)
    counter.no, counter.asset, counter.hard, counter.bucket = no, asset, hard, bucket
    counter.room = math.max(0, limit - spent - held)
  end
  return tags and tagged(list, tags) or list
end

-- Whether any of these may have something to tell of.
function budgets.has_thresholds(list)
  for i = 1, #list do
    if list[i].thresholds[1] then
      return true
    end
  end
  return false
end

-- The tightest hard budget in an asset: what is left of it, and its number; past any amount when there is none.
function budgets.tightest(list, asset)
  local room, no = NEVER_ATOMS, 0
  for i = 1, #list do
    local budget = list[i]
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
    texts[i] = string.format('%d %d %d', budget.no, used(budget))
  end
  return table.concat(texts, ' ')
end

-- Where a bucket stands, or nil.
local function place_of(counter, name)
  local buckets = counter.buckets
  for i = 1, #buckets, 3 do
    if buckets[i] == name then
      return i
    end
  end
end

local function change(entry, counter, place, spent_atoms, held_atoms)
  if spent_atoms == 0 and held_atoms == 0 then
    return
  end
  local buckets = counter.buckets
  buckets[place + 1] = math.min(buckets[place + 1] + spent_atoms, SPENT_MAX)
  buckets[place + 2] = buckets[place + 2] + held_atoms
  counters.touch(entry, counter, pack)
end

-- Where the present bucket stands. A hold of nothing has its bucket, too: what is spent beyond it counts there.
local function present(entry, counter)
  local place = place_of(counter, counter.bucket)
  if not place then
    local buckets = counter.buckets
    place = #buckets + 1
    if place == 1 then
      counter.buckets = { counter.bucket, 0, 0 }
    else
      buckets[place], buckets[place + 1], buckets[place + 2] = counter.bucket, 0, 0
    end
    counters.touch(entry, counter, pack)
  end
  return place
end

-- What is taken of an asset for good counts in every budget of it.
function budgets.charge(list, entry, asset, atoms)
  for i = 1, #list do
    local counter = list[i]
    if counter.asset == asset and atoms > 0 then
      change(entry, counter, present(entry, counter), atoms, 0)
    end
  end
end

local function pack_tag(no, asset, bucket, held)
  return struct.pack(TAG, 0, 0, no, asset, bucket, held)
end

-- What a hold takes when it is opened counts as held. Returns its tags, packed: one for each budget, in whatever asset.
function budgets.hold(list, entry, legs)
  local packed = { nil, nil, nil, nil }
  for i = 1, #list do
    local counter = list[i]
    local asset, atoms = counter.asset, 0
    for j = 1, #legs do
      if legs[j].asset == asset then
        atoms = legs[j].amount
      end
    end
    change(entry, counter, present(entry, counter), 0, atoms)
    packed[i] = pack_tag(counter.no, asset, counter.bucket, atoms)
  end
  return table.concat(packed)
end

-- The tags of a hold that was opened before.
function budgets.pack_tags(tags)
  local packed = { nil, nil, nil, nil }
  for i = 1, #tags do
    local tag = tags[i]
    packed[i] = pack_tag(tag.no, tag.asset, tag.bucket, tag.held)
  end
  return table.concat(packed)
end

-- The tag at `at`, and where the next one begins.
function budgets.read_tag(packed, at)
  local _, _, no, asset, bucket, held, next_at = struct.unpack(TAG, packed, at)
  return { no = no, asset = asset, bucket = bucket, held = held, counter = false }, next_at
end

-- What an extension takes counts as held, in the present bucket; what the hold counted before comes with it.
function budgets.extend(list, entry, asset, atoms, tags)
  for _, counter in ipairs(list) do
    if counter.asset == asset and atoms > 0 then
      local tag = tag_of(tags, counter.no)
      local before = place_of(counter, tag.bucket)
      if not before then
        tag.held = 0
      elseif tag.bucket ~= counter.bucket then
        change(entry, counter, before, 0, -tag.held)
        change(entry, counter, present(entry, counter), 0, tag.held)
      end
      tag.bucket = counter.bucket
      tag.held = tag.held + atoms
      change(entry, counter, present(entry, counter), 0, atoms)
    end
  end
end

-- A hold's part in an asset was spent: `held_atoms` of what it held, and more beyond.
function budgets.spend(wallet, entry, tags, asset, held_atoms, beyond_atoms)
  if not tags[1] then
    return
  end
  find_counters(wallet, tags)
  for i = 1, #tags do
    local tag = tags[i]
    if tag.asset == asset then
      local part = math.min(held_atoms, tag.held)
      tag.held = tag.held - part
      local place = place_of(tag.counter, tag.bucket)
      if place then
        change(entry, tag.counter, place, part + beyond_atoms, -part)
      end
    end
  end
end

-- A hold ends: what it still held counts no more.
function budgets.give_back(wallet, entry, tags)
  if not tags[1] then
    return
  end
  find_counters(wallet, tags)
  for i = 1, #tags do
    local tag = tags[i]
    local place = place_of(tag.counter, tag.bucket)
    if place then
      change(entry, tag.counter, place, 0, -tag.held)
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

-- Whether a wallet's configuration has the budget that a counter is of. It is JSON that this does not read: no text in
-- it can look like this, since quotes in texts are escaped. A wallet that was never told one counts what is sent.
function budgets.is_configured(config_text, counter_name)
  local named = string.format('"no":%s,', string.sub(counter_name, 2))
  return not config_text or string.find(config_text, named, 1, true) ~= nil
end

-- Of a budget that was deleted nothing is told, though holds count in it to their end.
local function is_standing(wallet, counter)
  return counter.bucket or budgets.is_configured(redis.call('HGET', wallet.key, 'x'), counter.name)
end

local function tell(wallet, counter, threshold)
  if #counter.told == 0 then
    counter.told = {}
    counter.told_in = counter.width > 0 and present_bucket(wallet, counter.width) or counter.buckets[1]
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
