-- Reads what a worker must know before it starts with a tile, all of one moment.
--
-- KEYS[1]  hash: the job's record
-- KEYS[2]  set: the tiles that were read
-- KEYS[3]  set: the tiles that were given up
-- KEYS[4]  hash: attempts by tile
-- KEYS[5]  hash: failures by tile
-- ARGV[1]  the tile, the quarter of a tile, or the task
--
-- Returns the job's state ('' if it is unknown), 1 if the tile is done (else 0), its attempts and its failures.

local state = redis.call('HGET', KEYS[1], 'state') or ''
local done = redis.call('SISMEMBER', KEYS[2], ARGV[1]) + redis.call('SISMEMBER', KEYS[3], ARGV[1])
local attempts = redis.call('HGET', KEYS[4], ARGV[1]) or 0
local failures = redis.call('HGET', KEYS[5], ARGV[1]) or 0
return {state, done, attempts, failures}
