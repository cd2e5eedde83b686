-- What wrk sends: the signed requests of a file, one after the other, each of them once.
-- Arguments: the file, the size of a request, how many to leave out at the file's beginning,
-- and "count" to look at each answer's status, which costs wrk some of its speed.

-- Answered with an error, and errors end the benchmark.
local AFTER_THE_LAST = "GET /end-of-file HTTP/1.1\r\nHost: localhost\r\n\r\n"

function setup(thread)
  only_thread = thread
end

function init(args)
  size = tonumber(args[2])
  file = assert(io.open(args[1], "rb"))
  assert(file:seek("set", tonumber(args[3]) * size))
  others = 0
  if args[4] == "count" then
    function response(status)
      if status ~= 202 then
        others = others + 1
      end
    end
  end
end

function request()
  return file:read(size) or AFTER_THE_LAST
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers":%d,"microseconds":%d,"failed":%d,"others":%d,"p50":%d,"p99":%d}\n',
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    only_thread:get("others"),
    latency:percentile(50),
    latency:percentile(99)
  ))
end
