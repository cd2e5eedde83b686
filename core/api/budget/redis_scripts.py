"""The Lua scripts by which Redis says whose turn it is.

The rules are those of `core.api.budget.local_turns`, which says in Python what they are; a test
compares the two. Each script is atomic, goes by Redis's clock alone, and leaves nothing behind for
ever.
"""

from core.api.budget import turns
from core.api.budget.counting import MINUTE, MINUTES

#: What the scripts are given as KEYS, in this order; `counts` is followed by the minute.
KEYS = (
    "sent",
    "flying",
    "queue",
    "due",
    "away",
    "back",
    "reconciled",
    "sharers",
    "state",
    "counts",
)

#: The time in microseconds. Of its own, so that a test can put another clock in its place.
CLOCK = """
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end
"""

#: Milliseconds after which nothing is left; a place in the queue is to come sooner than that.
_KEY_LIFE = 6 * 3600 * 1000

_CONSTANTS = f"""
local SHADOW_GRACE, SHADOW_LIFE, SHADOWS_MAX =
    {turns.SHADOW_GRACE}, {turns.SHADOW_LIFE}, {turns.SHADOWS_MAX}
local NAP, NAP_GRACE, SOON = {turns.NAP}, {turns.NAP_GRACE}, {turns.SOON}
local SHARER_LIFE = {turns.SHARER_LIFE}
local KEY_LIFE = {_KEY_LIFE}
local MINUTE, MINUTES = {MINUTE}, {MINUTES}
"""

#: What all scripts begin with. A number above 10^14 needs all its digits, which Lua doesn't write.
_COMMON = """
local sent, flying, queue, due, away, back, reconciled, sharers, state, counts = unpack(KEYS)
local request = cjson.decode(ARGV[1])
local limits = request.limits

local function digits(number) return string.format('%.0f', number) end

-- Reading is free; what is written goes to the append-only file and to replicas.
local function keep(key, life)
    if redis.call('PTTL', key) < life / 2 then redis.call('PEXPIRE', key, life) end
end

local function add(key, at, member, ...)
    local words = {...}
    words[#words + 1] = digits(at)
    words[#words + 1] = member
    redis.call('ZADD', key, unpack(words))
    keep(key, KEY_LIFE)
end

local function score(found) return tonumber(found[2]) end

local now = clock()

local longest = 0
for _, limit in ipairs(limits) do longest = math.max(longest, limit[2]) end

local known = redis.call('HMGET', state, 'epoch', 'paused', 'clock')
local epoch, paused, last = known[1], tonumber(known[2] or 0), tonumber(known[3] or 0)

-- Whatever is dated later than now would stay for as long as the clock was set back.
if now < last - 1000000 then
    for _, key in ipairs({sent, reconciled}) do
        for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. digits(now), '+inf')) do
            add(key, now, member)
        end
    end
    for _, member in ipairs(redis.call('ZRANGE', flying, 0, -1)) do add(sent, now, member) end
    redis.call('DEL', flying, queue, due, away, back, sharers)
    redis.call('HDEL', state, 'paused')
    paused = 0
end

if not epoch then
    epoch = digits(now)
    redis.call('HSET', state, 'epoch', epoch)
end
if now - last > 500000 or now < last then
    redis.call('HSET', state, 'clock', digits(now))
    keep(state, KEY_LIFE)
end

for _, gone in ipairs(redis.call('ZRANGEBYSCORE', flying, '-inf', digits(now))) do
    add(sent, redis.call('ZSCORE', flying, gone), gone)
    redis.call('ZREM', flying, gone)
end
redis.call('ZREMRANGEBYSCORE', sent, '-inf', digits(now - longest))
redis.call('ZREMRANGEBYSCORE', reconciled, '-inf', digits(now - longest))
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', digits(now - NAP_GRACE))) do
    redis.call('ZREM', queue, dead)
    redis.call('ZREM', due, dead)
end
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', back, '-inf', digits(now - SHADOW_LIFE))) do
    redis.call('ZREM', away, lost)
    redis.call('ZREM', back, lost)
end

local function count(what, amount)
    local key = counts .. digits(math.floor(now / MINUTE))
    redis.call('HINCRBY', key, what .. ' ' .. request.endpoint, amount)
    keep(key, 2 * MINUTES * MINUTE / 1000)
end

local function used(limit)
    local newer = '(' .. digits(now - limit[2])
    return redis.call('ZCOUNT', sent, newer, '+inf')
        + redis.call('ZCARD', flying) + redis.call('ZCARD', queue)
end

local function pause(duration)
    paused = math.max(paused, now + duration)
    redis.call('HSET', state, 'paused', digits(paused))
end
"""

_ASK = """
local go, wait, leave = 'go', 'wait', 'leave'
local call, caller, reconciles = request.call, request.caller, request.reconciles
local ticket, inside = request.ticket, request.inside

redis.call('ZREMRANGEBYSCORE', sharers, '-inf', digits(now - SHARER_LIFE))
if now - tonumber(redis.call('ZSCORE', sharers, request.process) or 0) > SHARER_LIFE / 10 then
    add(sharers, now, request.process)
end

local function answer(kind, duration)
    local reply = {
        kind, digits(duration), digits(ticket), inside and 1 or 0, epoch,
        redis.call('ZCARD', sharers),
    }
    for _, limit in ipairs(limits) do reply[#reply + 1] = limit[1] - used(limit) end
    return reply
end

if request.epoch ~= '' and request.epoch ~= epoch then
    return answer('lost', 0)
end
if redis.call('ZSCORE', flying, call) then
    inside = true
    return answer(go, 0)
end

local function forget()
    local place = redis.call('ZSCORE', away, caller)
    redis.call('ZREM', away, caller)
    redis.call('ZREM', back, caller)
    return place
end

if ticket == 0 then
    local place = caller ~= '' and forget()
    ticket, inside = tonumber(place or now), place and true or false
end

local done = redis.call('ZCARD', sent)
local length = done + redis.call('ZCARD', flying)
local base = math.max(now, paused)

local function at(rank)
    if rank >= done then return now end
    return score(redis.call('ZRANGE', sent, rank, rank, 'WITHSCORES'))
end

local function earliest(ahead)
    local rank, found = length + ahead, base
    for _, limit in ipairs(limits) do
        local turns = math.max(0, math.floor(ahead / limit[1]))
        local before = rank - (turns + 1) * limit[1]
        local first = before >= 0 and math.max(base, at(before) + limit[2]) or base
        found = math.max(found, first + turns * limit[2])
    end
    return found
end

local function shadows_before()
    local older = redis.call('ZCOUNT', away, '-inf', '(' .. digits(ticket))
    local overdue = redis.call('ZCOUNT', back, '-inf', digits(now - SHADOW_GRACE))
    return math.max(0, older - overdue)
end

local time
if reconciles then
    time = earliest(0)
    local most = request.reconcile_limit
    local made = redis.call('ZCARD', reconciled)
    if made >= most[1] then
        local first = redis.call('ZRANGE', reconciled, made - most[1], made - most[1], 'WITHSCORES')
        time = math.max(time, score(first) + most[2])
    end
    local from = '(' .. digits(now - SHADOW_GRACE)
    local returning = redis.call('ZCOUNT', back, from, digits(now + SOON))
    if redis.call('ZCARD', queue) > 0 or returning > 0 then time = math.max(time, now + NAP) end
else
    local ahead = 0
    if redis.call('ZCARD', queue) > 0 then
        add(queue, ticket, call)
        ahead = redis.call('ZRANK', queue, call)
    end
    time = earliest(inside and ahead or ahead + shadows_before())
end

if time > now and time - now <= request.patience then
    if not reconciles then
        add(queue, ticket, call)
        add(due, math.min(time, now + NAP), call)
    end
    return answer(wait, time - now)
end

redis.call('ZREM', queue, call)
redis.call('ZREM', due, call)

if time <= now then
    add(flying, now + request.flight, call)
    if reconciles then add(reconciled, now, call) end
    count('sent', 1)
    if request.waited > 0 then
        count('waited', 1)
        count('waited_us', request.waited)
    end
    if caller ~= '' then forget() end
    inside = true
    return answer(go, 0)
end

count('deferred', 1)
if caller ~= '' and not reconciles then
    time = math.max(time, earliest(redis.call('ZCARD', queue) + shadows_before()))
    forget()
    if redis.call('ZCARD', away) < SHADOWS_MAX then
        add(away, ticket, caller)
        add(back, time, caller)
    end
end
return answer(leave, time - now)
"""

_DONE = """
redis.call('ZREM', flying, request.call)
add(sent, now, request.call, 'GT')
add(reconciled, now, request.call, 'XX')
"""

_PAUSE = """
pause(request.duration)
count('rate_limited', 1)
"""

_COUNT = """
count(request.what, request.amount)
"""

#: A process tells of the calls that it has made; the others get the time to do so, too.
_RESTORE = """
for _, made in ipairs(request.sent) do
    redis.call('ZREM', flying, made[1])
    add(sent, now - made[2], made[1], 'GT')
end
for _, made in ipairs(request.flying) do
    if not redis.call('ZSCORE', sent, made[1]) then add(flying, now + made[2], made[1]) end
end
if request.hold > 0 then pause(request.hold) end
"""

_LOOK = """
local seen = {digits(math.max(0, paused - now)), {}, {}}
for _, limit in ipairs(limits) do table.insert(seen[2], used(limit)) end
local minute = math.floor(now / MINUTE)
for ago = 0, MINUTES - 1 do
    table.insert(seen[3], redis.call('HGETALL', counts .. digits(minute - ago)))
end
return seen
"""

BODIES = {
    "ask": _ASK,
    "done": _DONE,
    "pause": _PAUSE,
    "count": _COUNT,
    "restore": _RESTORE,
    "look": _LOOK,
}


def script(name: str, clock: str = CLOCK) -> str:
    """Return a script whole."""
    return clock + _CONSTANTS + _COMMON + BODIES[name]
