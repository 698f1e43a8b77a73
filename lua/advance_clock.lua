#!lua
-- Move a partition's clock forward, for tests and test clocks: time never goes backwards in a partition.
local fence_key = KEYS[1] -- string: installation and epoch of this partition's data
local clock_key = KEYS[2] -- packed: seq, time, epoch
local fence = ARGV[1]
local to_ms = tonumber(ARGV[2])

local found = redis.call('MGET', fence_key, clock_key)
if found[1] ~= fence or not found[2] then
  return { 'fenced' }
end
local seq, clock_ms, epoch = struct.unpack('>ddd', found[2])
local now_ms = math.max(clock_ms, to_ms)
local clock = struct.pack('>ddd', seq, now_ms, epoch)
-- COMMIT
redis.call('SET', clock_key, clock)
return { 'advanced', now_ms }
