-- What a call answered, kept so that a repeat is answered alike.
--
-- A record is the request's fingerprint (11 characters) and the reply: its status word, a zero byte, and its
-- numbers as doubles, which are exact up to 2^53. `struct` packs a number in 600 instructions, '%.0f' in 4,700.
local operation = {}

local FINGERPRINT_LENGTH = 11

function operation.pack(reply)
  local numbers_count = #reply - 1
  return reply[1] .. '\0' .. struct.pack('>' .. string.rep('d', numbers_count), unpack(reply, 2))
end

function operation.replay(record, fingerprint)
  if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then
    return { 'conflict' }
  end
  local zero_at = string.find(record, '\0', FINGERPRINT_LENGTH + 1, true)
  local numbers_count = (#record - zero_at) / 8
  local reply = { struct.unpack('>' .. string.rep('d', numbers_count), record, zero_at + 1) }
  -- The last value is where reading stopped.
  reply[#reply] = nil
  return { 'replayed', string.sub(record, FINGERPRINT_LENGTH + 1, zero_at - 1), unpack(reply) }
end

return operation
