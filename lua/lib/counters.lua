-- Counters of a wallet: what was spent by budget, what was used by price. Fields of its hash, read when first asked
-- for.
--
-- An entry carries every counter that it changed, whole, so that the ledger alone brings them back. What a counter's
-- bytes say is its module's: it makes the counter, and packs it.
local counters = {}

-- `make(packed)` is called once in a call; `packed` is false where nothing was counted yet.
function counters.get(wallet, name, make)
  local read = wallet.counters_read
  if not read then
    read = {}
    wallet.counters_read = read
  end
  for i = 1, #read do
    if read[i].name == name then
      return read[i]
    end
  end
  local counter = make(redis.call('HGET', wallet.key, name))
  counter.name = name
  read[#read + 1] = counter
  return counter
end

-- The counter changed with this entry. `pack(counter)` is asked when the entry is closed.
function counters.touch(entry, counter, pack)
  counter.pack = pack
  entry.counters = entry.counters or {}
  if counter.touched_by ~= entry then
    counter.touched_by = entry
    entry.counters[#entry.counters + 1] = counter
  end
end

-- For the entry: `B count`, then `B length, name, H length, bytes` each.
function counters.pack(entry)
  if not entry.counters then
    return '\0'
  end
  local parts = { struct.pack('>B', #entry.counters) }
  for i, counter in ipairs(entry.counters) do
    counter.packed = counter.pack(counter)
    parts[i + 1] = struct.pack('>Bc0Hc0', #counter.name, counter.name, #counter.packed, counter.packed)
  end
  return table.concat(parts)
end

-- Take one counter of the ledger's at `at`; returns its field, its bytes, and where the next one begins.
function counters.load(packed, at)
  return struct.unpack('>Bc0Hc0', packed, at)
end

return counters
