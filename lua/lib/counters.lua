-- Counters of a wallet: what was spent by budget, what was used by price. Fields of its hash, read when first asked
-- for.
--
-- An entry carries every counter that it changed, whole, so that the ledger alone brings them back. What a counter's
-- bytes say is its module's: it makes the counter, and packs it.
local counters = {}

local function find(list, name)
  for i = 1, #list do
    if list[i].name == name then
      return list[i]
    end
  end
end

-- Several, in the order named, with one look for all that have not been read yet. `make(packed)` is called once for
-- each; `packed` is false where nothing was counted yet.
function counters.read(wallet, names, make)
  local read = wallet.counters_read
  if not read then
    read = { nil, nil, nil, nil }
    wallet.counters_read = read
  end
  local list, packed = { nil, nil, nil, nil }, nil
  for i = 1, #names do
    local name = names[i]
    local counter = find(read, name)
    if not counter then
      packed = packed or redis.call('HMGET', wallet.key, unpack(names))
      counter = make(packed[i])
      counter.name = name
      read[#read + 1] = counter
    end
    list[i] = counter
  end
  return list
end

function counters.get(wallet, name, make)
  return counters.read(wallet, { name }, make)[1]
end

-- The counter changed with this entry. `pack(counter)` is asked when the entry is closed.
function counters.touch(entry, counter, pack)
  if counter.touched_by ~= entry then
    counter.pack = pack
    counter.touched_by = entry
    entry.counters = entry.counters or { nil, nil, nil, nil }
    entry.counters[#entry.counters + 1] = counter
  end
end

-- For the entry: `B count`, then `B length, name, H length, bytes` each.
function counters.pack(entry)
  if not entry.counters then
    return '\0'
  end
  local parts = { struct.pack('>B', #entry.counters), nil, nil, nil, nil }
  for i = 1, #entry.counters do
    local counter = entry.counters[i]
    counter.packed = counter.pack(counter)
    parts[i + 1] = struct.pack('>Bc0Hc0', #counter.name, counter.name, #counter.packed, counter.packed)
  end
  return table.concat(parts)
end

-- Those that changed, among what is written of the wallet: name and bytes in turn.
function counters.add_fields(wallet, fields)
  local read = wallet.counters_read
  for i = 1, read and #read or 0 do
    local counter = read[i]
    if counter.packed then
      local n = #fields
      fields[n + 1], fields[n + 2] = counter.name, counter.packed
    end
  end
end

-- Take one counter of the ledger's at `at`; returns its field, its bytes, and where the next one begins.
function counters.load(packed, at)
  return struct.unpack('>Bc0Hc0', packed, at)
end

return counters
