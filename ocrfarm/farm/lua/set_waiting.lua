-- Records what a job waits for, unless its state has changed.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  the state in which the job was seen
-- ARGV[2]  what it waits for; '' if it waits for nothing
--
-- Returns nothing.

if redis.call('HGET', KEYS[1], 'state') ~= ARGV[1] then return end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'waiting')
else
  redis.call('HSET', KEYS[1], 'waiting', ARGV[2])
end
