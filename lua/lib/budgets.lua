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
local NUMBER_LENGTH = 8
-- Both, as nearly every counter is: nothing told of, no thresholds, one bucket.
local PLAIN = '>BddBddd'
local PLAIN_LENGTH = 42
local ROLLING_BUCKETS = 60
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
    return {}, at
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

-- `buckets` are names, spent and held, in turn, oldest first. `packed` is false where nothing was counted yet.
local function make(packed)
  if not packed then
    return { told = {}, told_in = 0, width = 0, thresholds = {}, buckets = {} }
  elseif #packed == PLAIN_LENGTH then
    local _, told_in, width, _, name, spent, held = struct.unpack(PLAIN, packed)
    return { told = {}, told_in = told_in, width = width, thresholds = {}, buckets = { name, spent, held } }
  end
  local told_count, told_in, width, thresholds_count, at = struct.unpack(COUNTER, packed)
  local told, thresholds, buckets
  told, at = read_numbers(packed, at, told_count)
  thresholds, at = read_numbers(packed, at, thresholds_count)
  buckets = read_numbers(packed, at, (#packed - at + 1) / NUMBER_LENGTH)
  return { told = told, told_in = told_in, width = width, thresholds = thresholds, buckets = buckets }
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
    counter.told = {}
  end
end

local function present_bucket(wallet, width)
  return math.floor(wallet.now_ms / width)
end

-- The counters of budgets or of tags, in their order.
--
-- Of a calendar's period the counter cannot know whether it is over: the window that it knows stands until the next one
-- is sent.
local function counters_of(wallet, list)
  local names = {}
  for i = 1, #list do
    names[i] = string.format('b%d', list[i].no)
  end
  local read = counters.read(wallet, names, make)
  for i = 1, #read do
    if read[i].width > 0 then
      forget_before(read[i], present_bucket(wallet, read[i].width) - ROLLING_BUCKETS + 1)
    end
  end
  return read
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

-- `first` is the oldest bucket that counts, `bucket` the present one, nil where the clock does not stand in the window.
local function read_sent(wallet, packed, at)
  local no, asset, hard, limit, from, till, count, next_at = struct.unpack(SENT, packed, at)
  local thresholds = {}
  if count > 0 then
    thresholds, next_at = read_numbers(packed, next_at, count)
  end
  local bucket, first, width = from, from, 0
  if till == 0 then
    width = from
    bucket = present_bucket(wallet, width)
    first = bucket - ROLLING_BUCKETS + 1
  elseif wallet.now_ms < from or wallet.now_ms >= till then
    bucket = nil
  end
  return {
    no = no,
    asset = asset,
    hard = hard,
    limit = limit,
    thresholds = thresholds,
    bucket = bucket,
    first = first,
    width = width,
  },
    next_at
end

local function tag_of(tags, no)
  for i = 1, #tags do
    if tags[i].no == no then
      return tags[i]
    end
  end
end

-- The budgets that were sent, with what is left of each; nil when a window is not the one that the clock stands in.
-- With a hold's tags, only those that it counts in.
function budgets.open(wallet, packed, tags)
  if packed == '' then
    return NONE
  end
  local list = {}
  local at = 1
  while at <= #packed do
    local budget
    budget, at = read_sent(wallet, packed, at)
    if not budget.bucket then
      return nil
    end
    if not tags or tag_of(tags, budget.no) then
      list[#list + 1] = budget
    end
  end
  if not list[1] then
    return list
  end
  local read = counters_of(wallet, list)
  for i = 1, #list do
    local budget, counter = list[i], read[i]
    forget_before(counter, budget.first)
    counter.width = budget.width
    counter.thresholds = budget.thresholds
    counter.is_sent = true
    local spent, held = used(counter)
    budget.counter = counter
    budget.room = math.max(0, budget.limit - spent - held)
  end
  return list
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
    texts[i] = string.format('%d %d %d', budget.no, used(budget.counter))
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
local function present(entry, budget)
  local counter = budget.counter
  local place = place_of(counter, budget.bucket)
  if not place then
    local buckets = counter.buckets
    place = #buckets + 1
    buckets[place], buckets[place + 1], buckets[place + 2] = budget.bucket, 0, 0
    counters.touch(entry, counter, pack)
  end
  return place
end

-- What is taken of an asset for good counts in every budget of it.
function budgets.charge(list, entry, asset, atoms)
  for _, budget in ipairs(list) do
    if budget.asset == asset and atoms > 0 then
      change(entry, budget.counter, present(entry, budget), atoms, 0)
    end
  end
end

-- What a hold takes when it is opened counts as held. Returns its tags: one for each budget, in whatever asset.
function budgets.hold(list, entry, legs)
  if not list[1] then
    return NONE
  end
  local tags = {}
  for i = 1, #list do
    local budget = list[i]
    local asset, atoms = budget.asset, 0
    for j = 1, #legs do
      if legs[j].asset == asset then
        atoms = legs[j].amount
      end
    end
    change(entry, budget.counter, present(entry, budget), 0, atoms)
    tags[i] = { no = budget.no, asset = asset, bucket = budget.bucket, held = atoms }
  end
  return tags
end

-- What an extension takes counts as held, in the present bucket; what the hold counted before comes with it.
function budgets.extend(list, entry, asset, atoms, tags)
  for _, budget in ipairs(list) do
    if budget.asset == asset and atoms > 0 then
      local counter = budget.counter
      local tag = tag_of(tags, budget.no)
      local before = place_of(counter, tag.bucket)
      if not before then
        tag.held = 0
      elseif tag.bucket ~= budget.bucket then
        change(entry, counter, before, 0, -tag.held)
        change(entry, counter, present(entry, budget), 0, tag.held)
      end
      tag.bucket = budget.bucket
      tag.held = tag.held + atoms
      change(entry, counter, present(entry, budget), 0, atoms)
    end
  end
end

-- A hold's part in an asset was spent: `held_atoms` of what it held, and more beyond.
function budgets.spend(wallet, entry, tags, asset, held_atoms, beyond_atoms)
  if not tags[1] then
    return
  end
  local read = counters_of(wallet, tags)
  for i = 1, #tags do
    local tag, counter = tags[i], read[i]
    if tag.asset == asset then
      local part = math.min(held_atoms, tag.held)
      tag.held = tag.held - part
      local place = place_of(counter, tag.bucket)
      if place then
        change(entry, counter, place, part + beyond_atoms, -part)
      end
    end
  end
end

-- A hold ends: what it still held counts no more.
function budgets.give_back(wallet, entry, tags)
  if not tags[1] then
    return
  end
  local read = counters_of(wallet, tags)
  for i = 1, #tags do
    local tag, counter = tags[i], read[i]
    local place = place_of(counter, tag.bucket)
    if place then
      change(entry, counter, place, 0, -tag.held)
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
