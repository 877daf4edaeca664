"""The Lua that runs in Redis: each of one key, each atomic, all of Redis 7.

Marks are `GENERATION HARD SOFT [SPARING ETAG]`, positions `MS-SEQ`. What states an
invalidation may run when memory is full (`allow-oom`): it is tiny, and not to
take it would keep dead answers alive.
"""

from __future__ import annotations

from typing import Final

_POSITIONS: Final = """
local function parse(position)
  local ms, seq = string.match(position, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function later(one, other)
  local a, b = parse(one)
  local c, d = parse(other)
  return a > c or (a == c and b > d)
end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

APPEND: Final = (
    "#!lua flags=allow-oom\n"
    + _POSITIONS
    + """
-- KEYS: journal. ARGV: facts, floor, seconds kept, records kept. The journal is never made here.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return false end
local id = '*'
if not later(last[1], ARGV[2]) then
  local ms = parse(ARGV[2])
  id = string.format('%.0f-0', math.max(ms + 1, now_ms()))
end
id = redis.call('XADD', KEYS[1], id, 'p', last[1], 'f', ARGV[1])
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f-0', parse(id) - ARGV[3] * 1000))
return id
"""
)

RAISE: Final = (
    "#!lua flags=allow-oom\n"
    + _POSITIONS
    + """
-- KEYS: mark. ARGV: generation if it is new, position, 'hard', 'soft' or 'sparing', ms to live at
-- least, the ETag that is spared. Of two that spare different ones the earlier spares nobody.
local generation, hard, soft = ARGV[1], '0-0', '0-0'
local sparing, etag
local life = tonumber(ARGV[4])
local mark = redis.call('GET', KEYS[1])
if mark then
  local rest
  generation, hard, soft, rest = string.match(mark, '^(%d+) (%S+) (%S+)(.*)$')
  sparing, etag = string.match(rest, '^ (%S+) (%S+)$')
  life = math.max(life, redis.call('PTTL', KEYS[1]))
end
local killing = ARGV[3] == 'hard' and ARGV[2]
if ARGV[3] == 'sparing' then
  local was, known = sparing, etag
  if not was or later(ARGV[2], was) then sparing, etag = ARGV[2], ARGV[5] end
  if was and known ~= ARGV[5] then killing = later(ARGV[2], was) and was or ARGV[2] end
end
if killing and later(killing, hard) then hard = killing end
if ARGV[3] == 'soft' and later(ARGV[2], soft) then soft = ARGV[2] end
mark = generation .. ' ' .. hard .. ' ' .. soft
if sparing then mark = mark .. ' ' .. sparing .. ' ' .. etag end
redis.call('SET', KEYS[1], mark, 'PX', string.format('%.0f', life))
return 1
"""
)

REACH: Final = """#!lua
-- KEYS: mark. ARGV: generation if it is new, milliseconds to live at least.
local mark = redis.call('GET', KEYS[1])
if not mark then
  mark = ARGV[1] .. ' 0-0 0-0'
  redis.call('SET', KEYS[1], mark, 'PX', ARGV[2])
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return mark
"""

WIDEN: Final = (
    "#!lua flags=allow-oom\n"
    + _POSITIONS
    + """
-- KEYS: wide. ARGV: position, then facts; without facts a purge of all: drop what is not later.
for i = 2, #ARGV do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or later(ARGV[1], known) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[1]) end
end
if #ARGV == 1 then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if all[i] ~= '' and not later(all[i + 1], ARGV[1]) then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return 1
"""
)

BEAT: Final = (
    "#!lua flags=allow-oom\n"
    + _POSITIONS
    + """
-- KEYS: leases. ARGV: instance, epoch, position, milliseconds of lease. Those run out are removed.
local now = now_ms()
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '(%d+)$')) < now then redis.call('HDEL', KEYS[1], all[i]) end
end
local lease = string.format('%.0f', now + ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. lease)
return 1
"""
)

BEHIND: Final = (
    "#!lua flags=allow-oom,no-writes\n"
    + _POSITIONS
    + """
-- KEYS: leases. ARGV: epoch, position. The instances with a lease that are not there yet.
local found, now = {}, now_ms()
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local epoch, position, lease = string.match(all[i + 1], '^(%S+) (%S+) (%d+)$')
  local there = epoch == ARGV[1] and not later(ARGV[2], position)
  if tonumber(lease) >= now and not there then found[#found + 1] = all[i] end
end
return found
"""
)

REPLACE: Final = """#!lua flags=allow-oom
-- KEYS: epoch. ARGV: what it was ('' if it was not there), what it shall be. What it is now.
local was = redis.call('GET', KEYS[1]) or ''
if was ~= ARGV[1] then return was end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""

NOTE_CLAIM: Final = """#!lua
-- KEYS: note. ARGV: value, milliseconds to live. What was there, and then nothing is changed.
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
"""
"""A script for its answer alone: the client library makes a truth of what SET answers."""

NOTE_REPLACE: Final = """#!lua flags=allow-oom
-- KEYS: note. ARGV: what it is, what it shall be and milliseconds to live; or without both: gone.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""

NOTE_ADD: Final = """#!lua
-- KEYS: counters. ARGV: milliseconds to live or '', then fields and amounts. All or none.
for i = 2, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if known and not (string.match(known, '^%-?[%d.]+[eE%d+-]*$') and tonumber(known)) then
    return redis.error_reply('NOTANUMBER the counter is no number')
  end
end
local sums = {}
for i = 2, #ARGV, 2 do
  sums[#sums + 1] = redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1])
end
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return sums
"""

NOTE_INDEX: Final = (
    "#!lua\n"
    + _POSITIONS
    + """
-- KEYS: index. ARGV: key, milliseconds the note will live, or ''. What has ended long ago goes.
local now, ends = now_ms(), '+inf'
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if ARGV[2] ~= '' then ends = string.format('%.0f', now + ARGV[2] + 60000) end
redis.call('ZADD', KEYS[1], 'GT', ends, ARGV[1])
return 1
"""
)

NOTE_UNINDEX: Final = (
    "#!lua flags=allow-oom\n"
    + _POSITIONS
    + """
-- KEYS: index. ARGV: key. It stays for a day: another may have written the note again just now.
redis.call('ZADD', KEYS[1], 'XX', 'LT', string.format('%.0f', now_ms() + 86400000), ARGV[1])
return 1
"""
)
