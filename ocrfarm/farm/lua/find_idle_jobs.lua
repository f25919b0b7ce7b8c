-- Finds the jobs that have made no progress for a while, by the broker's clock.
--
-- KEYS[1]  set: ids of the jobs that have not ended
-- KEYS[2]  the record of a job without its id: each job's key is this and its id
-- ARGV[1]  how many seconds are a while
-- ARGV[2]  the state of a job whose tiles are being read
--
-- Returns for each such job its id, its state, its recognizer, the seconds, 1 if all its tiles are read, blank or given
-- up (and all its regions, in the second pass), and what it waits for as far as it was recorded.

local now = tonumber(redis.call('TIME')[1])
local idle = {}
for _, job in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local record = KEYS[2] .. job
  local values = redis.call('HMGET', record, 'state', 'tiles', 'blank', 'regions', 'watch_mark', 'watched_since',
    'model', 'waiting')
  local state = values[1]
  if state then
    local done = redis.call('SCARD', record .. ':done') + redis.call('SCARD', record .. ':failed')
    local regions = redis.call('SCARD', record .. ':regions')
    local mark = table.concat({state, values[2] or 0, done, regions}, ' ')
    local since = tonumber(values[6] or now)
    if mark ~= values[5] or since > now then
      redis.call('HSET', record, 'watch_mark', mark, 'watched_since', now)
      since = now
    end
    if now - since >= tonumber(ARGV[1]) then
      local tiles = tonumber(values[2] or 0)
      local all_read = state == ARGV[2] and tiles > 0 and values[3] and done + values[3] >= tiles
        and regions >= tonumber(values[4] or 0)
      idle[#idle + 1] = {job, state, values[7] or '', now - since, all_read and 1 or 0, values[8] or ''}
    end
  end
end
return idle
