-- Adds what a job has used to the counters of its owner and profile. Called again, it adds only what was used since.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  hash: the metrics
-- KEYS[3]  hash: what was used in this month
-- ARGV[1]  bounds of the histogram of durations in seconds, in order, separated by spaces
-- ARGV[2]  largest number of pairs of owner and profile; the others are counted as one pair
-- ARGV[3]  states of a job that has a result, separated by spaces; only of those the duration counts
-- ARGV[4]  seconds for which the counters of a month are kept
--
-- Returns 1, or 0 if the job is unknown.
-- Counters are written with HSET, since the broker's user for clients, who cancel jobs, may not use HINCRBY.

local function read(field)
  return redis.call('HGET', KEYS[1], field) or ''
end

local function label(field)
  local text = string.sub(read(field), 1, 64)
  if text == '' then
    return '-'
  end
  return (string.gsub(text, '[^%w._-]', function(char) return string.format('%%%02X', string.byte(char)) end))
end

local function add(key, field, more)
  redis.call('HSET', key, field, string.format('%.0f', (redis.call('HGET', key, field) or 0) + more))
end

if read('state') == '' then
  return 0
end
local who = label('owner') .. ' ' .. label('profile')
if not redis.call('HGET', KEYS[2], 'usage_jobs ' .. who) then
  if tonumber(redis.call('HGET', KEYS[2], 'usage_pairs') or 0) < tonumber(ARGV[2]) then
    add(KEYS[2], 'usage_pairs', 1)
  else
    who = 'others others'
  end
end
local is_first = read('accounted') == ''
for _, key in ipairs({KEYS[2], KEYS[3]}) do
  add(key, 'usage_jobs ' .. who, is_first and 1 or 0)
  add(key, 'usage_pixels ' .. who, is_first and tonumber(read('pixels')) or 0)
  add(key, 'usage_tiles ' .. who, tonumber(read('used_tiles')) or 0)
  add(key, 'usage_milliseconds ' .. who, tonumber(read('used_milliseconds')) or 0)
end
redis.call('EXPIRE', KEYS[3], ARGV[4])
if is_first and string.find(' ' .. ARGV[3] .. ' ', ' ' .. read('state') .. ' ', 1, true) then
  local seconds = math.max((tonumber(read('finished')) or 0) - (tonumber(read('submitted')) or 0), 0)
  local bucket = 0
  for bound in string.gmatch(ARGV[1], '%S+') do
    if seconds > tonumber(bound) then
      bucket = bucket + 1
    end
  end
  add(KEYS[2], 'job ' .. who .. ' ' .. bucket, 1)
  add(KEYS[2], 'job ' .. who .. ' sum', seconds * 1000)
end
redis.call('HDEL', KEYS[1], 'used_tiles', 'used_milliseconds')
redis.call('HSET', KEYS[1], 'accounted', 1)
return 1
