-- What a call answered, kept so that a repeat is answered alike.
--
-- A record is the request's fingerprint (11 characters) and the reply: its status word, a zero byte, and its
-- numbers as doubles, which are exact up to 2^53. `struct` packs a number in 600 instructions, '%.0f' in 4,700.
local operation = {}

local FINGERPRINT_LENGTH = 11
-- By how many numbers they hold. Written out, since a library has no `string` while it is loaded.
local FORMATS = {
  '>d',
  '>dd',
  '>ddd',
  '>dddd',
  '>ddddd',
  '>dddddd',
  '>ddddddd',
  '>dddddddd',
  '>ddddddddd',
  '>dddddddddd',
  '>ddddddddddd',
  '>dddddddddddd',
}

function operation.pack(reply)
  return reply[1] .. '\0' .. struct.pack(FORMATS[#reply - 1], unpack(reply, 2))
end

function operation.replay(record, fingerprint)
  if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then
    return { 'conflict' }
  end
  local zero_at = string.find(record, '\0', FINGERPRINT_LENGTH + 1, true)
  local reply = { struct.unpack(FORMATS[(#record - zero_at) / 8], record, zero_at + 1) }
  -- The last value is where reading stopped.
  reply[#reply] = nil
  return { 'replayed', string.sub(record, FINGERPRINT_LENGTH + 1, zero_at - 1), unpack(reply) }
end

return operation
