-- The load, for wrk: `wrk -s load.lua URL -- browser|curl`.
-- The headers are set once per thread, so wrk formats the request once and sends the same bytes for ever.
-- At the end one line, `RESULT {json}`, says in full precision what wrk's own summary rounds.

local headers = {
  -- What a desktop browser sends for a page of a site it knows: about 500 bytes with the request line and Host.
  browser = {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ["Accept-Language"] = "en-US,en;q=0.5",
    ["Accept-Encoding"] = "gzip, deflate, br, zstd",
    ["Connection"] = "keep-alive",
    ["Cookie"] = "sessionid=38afes7a8hqk1vy0ux0d1p9lyxb3t5m2; theme=dark",
    ["Upgrade-Insecure-Requests"] = "1",
    ["Sec-Fetch-Dest"] = "document",
    ["Sec-Fetch-Mode"] = "navigate",
    ["Sec-Fetch-Site"] = "none",
    ["Sec-Fetch-User"] = "?1",
    ["Priority"] = "u=0, i",
  },
  -- What `curl URL` sends.
  curl = {
    ["User-Agent"] = "curl/7.88.1",
    ["Accept"] = "*/*",
  },
}

function init(args)
  local chosen = headers[args[1]]
  if not chosen then
    error("load.lua: name the headers: browser or curl")
  end
  for name, value in pairs(chosen) do
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %.1f, "p99_us": %.1f, "max_us": %.1f, '
      .. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
