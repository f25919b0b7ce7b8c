-- Counts that a job is requeued.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  how many tiles are read or given up by now
--
-- Returns nothing. `requeues` counts all, `requeues_without_progress` those in a row without one more such tile.

if redis.call('HGET', KEYS[1], 'done_at_requeue') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'done_at_requeue', ARGV[1], 'requeues_without_progress', 0)
end
redis.call('HINCRBY', KEYS[1], 'requeues', 1)
redis.call('HINCRBY', KEYS[1], 'requeues_without_progress', 1)
