-- Counts that a job is requeued.
--
-- KEYS[1]  hash: the job's record
-- ARGV[1]  how many tiles are read or given up by now
--
-- Returns how often in a row the job was requeued without one more such tile.

if redis.call('HGET', KEYS[1], 'done_at_requeue') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'done_at_requeue', ARGV[1], 'requeues_without_progress', 0)
end
redis.call('HINCRBY', KEYS[1], 'requeues', 1)
return redis.call('HINCRBY', KEYS[1], 'requeues_without_progress', 1)
