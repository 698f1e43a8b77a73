-- What a call answered, kept so that a repeat is answered alike.
--
-- A record is the request's fingerprint (11 characters) and the reply: its status word, a zero byte, how many numbers
-- it has (one byte), the numbers as doubles, which are exact up to 2^53, and then, where its last values are strings,
-- those, with zero bytes between them. `struct` packs a number in 600 instructions, '%.0f' in 4,700. What is written is
-- answered like that, too, the first time and in a repeat; src/wallet/script.ts reads it.
local operation = {}

local FINGERPRINT_LENGTH = 11
-- By how many numbers they hold. Written out, since a library has no `string` while it is loaded.
local FORMATS = {
  '>Bd',
  '>Bdd',
  '>Bddd',
  '>Bdddd',
  '>Bddddd',
  '>Bdddddd',
  '>Bddddddd',
  '>Bdddddddd',
  '>Bddddddddd',
  '>Bdddddddddd',
  '>Bddddddddddd',
  '>Bdddddddddddd',
}

function operation.pack(reply)
  local count = #reply - 1
  while count > 0 and type(reply[count + 1]) == 'string' do
    count = count - 1
  end
  local text_at = count + 2
  return reply[1]
    .. '\0'
    .. struct.pack(FORMATS[count], count, unpack(reply, 2, text_at - 1))
    .. table.concat(reply, '\0', text_at)
end

-- What was answered then, as it is remembered.
function operation.replay(record, fingerprint)
  if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then
    return { 'conflict' }
  end
  return { 'replayed', string.sub(record, FINGERPRINT_LENGTH + 1) }
end

-- The epoch that it was answered in: each reply's last numbers are epoch and seq.
function operation.epoch(record)
  local zero_at = string.find(record, '\0', FINGERPRINT_LENGTH + 1, true)
  local count = string.byte(record, zero_at + 1)
  return (struct.unpack('>d', record, zero_at + 2 + 8 * (count - 2)))
end

return operation
