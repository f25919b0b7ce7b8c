-- Records a job, unless the broker knows it. A record without a state is half of one, and is replaced.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  set: ids of the jobs that have not ended
-- KEYS[3]  sorted set: ids of ended jobs whose webhooks are to be delivered
-- KEYS[4]  and following: sorted sets of the ids of jobs by the time when they were submitted (all, its owner's)
-- ARGV[1]  the job's id
-- ARGV[2]  the final states, separated by spaces
-- ARGV[3]  seconds for which the record is kept
-- ARGV[4]  when the job was submitted, in seconds since 1970; a time in the future counts as now
-- ARGV[5]  '1': replace the record of a job that the broker knows
-- ARGV[6]  and following: names and values of the fields, in turn, the state among them
--
-- Returns 1, or 0 if the job is known and was only added to the lists that lacked it.

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local is_final = {}
for state in string.gmatch(ARGV[2], '%S+') do
  is_final[state] = true
end

local known = redis.call('HGET', KEYS[1], 'state')
local is_new = not known or ARGV[5] == '1'
if is_new then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    redis.call('HDEL', KEYS[1], field) -- not DEL, which the broker's user for clients may not use
  end
  redis.call('HSET', KEYS[1], unpack(ARGV, 6))
  local finished = tonumber(redis.call('HGET', KEYS[1], 'finished') or 0)
  if finished == 0 or finished > now then
    -- Its retention begins now: a time that is missing or wrong must not delete it.
    redis.call('HSET', KEYS[1], 'kept_from', string.format('%.0f', now))
  end
  redis.call('HSET', KEYS[1], 'submitted', tonumber(ARGV[4]) > now and string.format('%.6f', now) or ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
local submitted = redis.call('HGET', KEYS[1], 'submitted') or now
for index = 4, #KEYS do
  redis.call('ZADD', KEYS[index], submitted, ARGV[1])
end
if not is_final[redis.call('HGET', KEYS[1], 'state')] then
  redis.call('SADD', KEYS[2], ARGV[1])
elseif is_new then
  redis.call('SREM', KEYS[2], ARGV[1])
  if redis.call('HGET', KEYS[1], 'webhook') == 'pending' then
    redis.call('ZADD', KEYS[3], 0, ARGV[1])
  end
end
return is_new and 1 or 0
