-- Counts that a job is requeued. A job that the broker does not know is left unknown.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  how many tiles are read or given up by now
-- ARGV[2]  the number of the job's next chord
--
-- Returns nothing. `requeues` counts all, `requeues_without_progress` those in a row without one more such tile.

if redis.call('EXISTS', KEYS[1]) == 0 then return end
if redis.call('HGET', KEYS[1], 'done_at_requeue') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'done_at_requeue', ARGV[1], 'requeues_without_progress', 0)
end
redis.call('HINCRBY', KEYS[1], 'requeues', 1)
redis.call('HINCRBY', KEYS[1], 'requeues_without_progress', 1)
redis.call('HSET', KEYS[1], 'generation', ARGV[2])
