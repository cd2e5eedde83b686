"""What Redis does for a shared book, each in one step.

Of a shelf ``S`` there are: sections ``S:<n>``, a hash for each stretch of the clock with copies
(``e<key>``), marks (``p<place>``), its size (``b``) and what tells it from the one before (``i``),
which are forgotten together; ``S:stale`` and ``S:stale:<key>``; ``S:lease:<place>``. All of them
expire. Only Redis's own clock counts.
"""

from core.api.book.records import LIFE, PACE, SHELF_BYTES_MAX

_COMMON = f"""
local LIFE, PACE, BYTES_MAX = {LIFE}, {PACE}, {SHELF_BYTES_MAX}
local shelf = ARGV[1]

local function text(number) return string.format('%.0f', number) end

local function first_number(value) return tonumber(string.match(value, '^%d+')) end

local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

local function section(at) return shelf .. ':' .. text(math.floor(at / LIFE)) end

local function latest(field, now)
    return redis.call('HGET', section(now), field)
        or redis.call('HGET', section(now - LIFE), field)
        or ''
end
"""

#: shelf, key, place -> time, copy, stale since, mark
LOOK = (
    _COMMON
    + """
local now = clock()
local copy = latest('e' .. ARGV[2], now)
local names = {shelf .. ':stale', shelf .. ':stale:' .. ARGV[2]}
local alias = string.match(copy, '^%d+ %S* (%S*)\\n')
if alias and alias ~= '' then names[3] = shelf .. ':stale:' .. alias end
local stale_since = 0
for _, at in ipairs(redis.call('MGET', unpack(names))) do
    if at then stale_since = math.max(stale_since, tonumber(at)) end
end
return {text(now), copy, text(stale_since), latest('p' .. ARGV[3], now)}
"""
)

#: shelf, place, since, asker, lease in ms, name of the era, an era to begin -> what, and with it
#: 'read'; 'wait', milliseconds; 'yours', time, era
LEASE = (
    _COMMON
    + """
local now = clock()
local mark = latest('p' .. ARGV[2], now)
if mark ~= '' then
    local age = now - first_number(mark)
    if age >= 0 and now - age >= tonumber(ARGV[3]) then return {'read'} end
    if age >= 0 and age < PACE and string.match(mark, '%S+$') ~= ARGV[4] then
        return {'wait', text((PACE - age) / 1000)}
    end
end
local name = shelf .. ':lease:' .. ARGV[2]
if not redis.call('SET', name, ARGV[4] .. '@' .. text(now), 'NX', 'PX', ARGV[5]) then
    return {'wait', text(redis.call('PTTL', name))}
end
redis.call('SET', ARGV[6], ARGV[7], 'NX')
return {'yours', text(now), redis.call('GET', ARGV[6])}
"""
)

#: shelf, asked, name of the era, era, then key and value of each entry in turn -> where they are
#: kept, so that the mark can be refused when they are kept no more; empty where they aren't
KEEP = (
    _COMMON
    + """
if redis.call('GET', ARGV[3]) ~= ARGV[4] then return '' end
local asked = tonumber(ARGV[2])
local name = section(asked)
redis.call('HSETNX', name, 'i', text(clock()))
local growth = 0
for i = 5, #ARGV, 2 do
    local field, value = 'e' .. ARGV[i], ARGV[i + 1]
    local known = redis.call('HGET', name, field)
    if not known or first_number(known) < asked then
        redis.call('HSET', name, field, value)
        growth = growth + #value - (known and #known or 0)
    end
end
redis.call('PEXPIREAT', name, text((math.floor(asked / LIFE) + 2) * LIFE / 1000))
if redis.call('HINCRBY', name, 'b', text(growth)) > BYTES_MAX then
    -- Marks and copies go together: a mark without its copies would hide them.
    redis.call('DEL', name)
    return ''
end
return redis.call('HGET', name, 'i')
"""
)

#: shelf, asked, where its entries are kept, place, value of the mark
MARK = (
    _COMMON
    + """
local asked = tonumber(ARGV[2])
local name = section(asked)
if redis.call('HGET', name, 'i') ~= ARGV[3] then return end
local known = redis.call('HGET', name, 'p' .. ARGV[4])
if known and first_number(known) >= asked then return end
redis.call('HSET', name, 'p' .. ARGV[4], ARGV[5])
"""
)

#: shelf, place, token
RELEASE = (
    _COMMON
    + """
local name = shelf .. ':lease:' .. ARGV[2]
if redis.call('GET', name) == ARGV[3] then redis.call('DEL', name) end
"""
)

#: shelf, then keys
STALE = (
    _COMMON
    + """
local now = text(clock())
-- As long as any copy may live that was asked for before.
local left = text(3 * LIFE / 1000)
if #ARGV == 1 then redis.call('SET', shelf .. ':stale', now, 'PX', left) end
for i = 2, #ARGV do redis.call('SET', shelf .. ':stale:' .. ARGV[i], now, 'PX', left) end
"""
)
