-- What wrk sends: the signed requests of a file, one after the other, over and over.
-- Arguments: the file, the byte at which to begin, and "count" to look at each answer's status,
-- which costs wrk some of its speed. A request stands behind four digits, its length.

function setup(thread)
  only_thread = thread
end

function init(args)
  file = assert(io.open(args[1], "rb"))
  first_byte = tonumber(args[2])
  file:seek("set", first_byte)
  sent, others = 0, 0
  if args[3] == "count" then
    function response(status)
      if status ~= 202 then
        others = others + 1
      end
    end
  end
end

function request()
  local length = file:read(4)
  if not length then
    file:seek("set", first_byte)
    length = file:read(4)
  end
  sent = sent + 1
  return file:read(tonumber(length))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"sent":%d,"answers":%d,"microseconds":%d,"failed":%d,"others":%d,"p50":%d,"p99":%d}\n',
    only_thread:get("sent"),
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    only_thread:get("others"),
    latency:percentile(50),
    latency:percentile(99)
  ))
end
