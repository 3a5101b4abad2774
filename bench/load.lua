-- The requests of one round, for wrk. A template with gaps, and a file with what fills them: three fields a line.
-- Arguments: the template, the file of fields, and "once" (stop at its end) or "again".
local pieces, fields, last, at, again = {}, {}, "", 0, false

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  for piece in (read(args[1]) .. "\0"):gmatch("(%Z*)%z") do pieces[#pieces + 1] = piece end
  for line in io.lines(args[2]) do fields[#fields + 1] = line end
  again = args[3] == "again"
end

function request()
  if #pieces == 1 then return pieces[1] end
  at = at + 1
  if at > #fields then
    if not again then
      wrk.thread:stop()
      return last
    end
    at = 1
  end
  -- key, nonce and signature, in the order of the template's gaps
  local key, nonce, signature = fields[at]:match("(%S*) (%S*) (%S*)")
  last = pieces[1] .. key .. pieces[2] .. nonce .. pieces[3] .. signature .. pieces[4]
  return last
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "micros": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
