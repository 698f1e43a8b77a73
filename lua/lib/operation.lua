-- What a call answered, kept so that a repeat is answered alike.
--
-- A record is the request's fingerprint (11 characters) and the reply: its status word, a zero byte, how many numbers
-- it has (one byte), the numbers as doubles, which are exact up to 2^53, and then, where its last values are strings,
-- those, with zero bytes between them. `struct` packs a number in 600 instructions, '%.0f' in 4,700.
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

-- Two strings, to be written one after the other: the second may be long, and is not copied here. `count` of a reply's
-- values are numbers; where that is not said, it is found.
function operation.pack(reply, count)
  if not count then
    count = #reply - 1
    while count > 0 and type(reply[count + 1]) == 'string' do
      count = count - 1
    end
  end
  local text_at = count + 2
  return reply[1] .. '\0' .. struct.pack(FORMATS[count], count, unpack(reply, 2, text_at - 1)),
    table.concat(reply, '\0', text_at)
end

function operation.replay(record, fingerprint)
  if string.sub(record, 1, FINGERPRINT_LENGTH) ~= fingerprint then
    return { 'conflict' }
  end
  local zero_at = string.find(record, '\0', FINGERPRINT_LENGTH + 1, true)
  local format = FORMATS[string.byte(record, zero_at + 1)]
  local reply = { struct.unpack(format, record, zero_at + 1) }
  -- The last value is where reading stopped, the first how many there are.
  local texts = string.sub(record, reply[#reply])
  reply[#reply] = nil
  for text in string.gmatch(texts .. '\0', '(%Z*)%z') do
    reply[#reply + 1] = text
  end
  return { 'replayed', string.sub(record, FINGERPRINT_LENGTH + 1, zero_at - 1), unpack(reply, 2) }
end

-- The epoch that it was answered in: each reply's last numbers are epoch and seq.
function operation.epoch(record)
  local zero_at = string.find(record, '\0', FINGERPRINT_LENGTH + 1, true)
  local count = string.byte(record, zero_at + 1)
  return (struct.unpack('>d', record, zero_at + 2 + 8 * (count - 2)))
end

return operation
