-- Records which worker reads a batch of a job. Of a job that the broker does not know, nothing is kept.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  hash: worker by batch
-- ARGV[1]  the id of the batch's task
-- ARGV[2]  the worker's name
--
-- Returns the job's state, or '' if the broker does not know the job.

local state = redis.call('HGET', KEYS[1], 'state')
if not state then return '' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return state
