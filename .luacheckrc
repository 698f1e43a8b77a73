-- What Redis gives a script, and nothing else: its Lua 5.1 is without io, most of os, and the loaders.
local function fields(names)
  local found = {}
  for name in names:gmatch('%S+') do
    found[name] = {}
  end
  return { fields = found }
end

stds.redis = {
  read_globals = {
    -- Scripts require lua/lib; the generator bundles what they name.
    'require',
    'KEYS',
    'ARGV',
    redis = fields('call error_reply status_reply sha1hex log LOG_DEBUG LOG_VERBOSE LOG_NOTICE LOG_WARNING'),
    struct = fields('pack unpack size'),
    cjson = fields('encode decode null'),
    cmsgpack = fields('pack unpack'),
    bit = fields('tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap'),
    'assert',
    'error',
    'getmetatable',
    'ipairs',
    'next',
    'pairs',
    'pcall',
    'rawequal',
    'rawget',
    'rawset',
    'select',
    'setmetatable',
    'tonumber',
    'tostring',
    'type',
    'unpack',
    'xpcall',
    math = fields('abs ceil exp floor fmod frexp huge ldexp log log10 max min modf pow sqrt'),
    string = fields('byte char find format gmatch gsub len lower match rep reverse sub upper'),
    table = fields('concat insert maxn remove sort'),
  },
}

std = 'redis'
max_line_length = 120
