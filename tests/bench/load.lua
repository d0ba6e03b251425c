-- The load, for wrk: `wrk -s load.lua URL -- browser|curl|new|varied`.
-- browser, curl: the headers are set once per thread, so wrk formats the request once and sends the same bytes for ever.
-- new: as curl, but the server is to close, so each request is on a new connection.
-- varied: what comes from a proxy that many browsers stand behind: no two requests are alike, but all are of one length.
--   They are made before the start, so that wrk does no more for them than to choose the next.
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
  new = {
    ["User-Agent"] = "curl/7.88.1",
    ["Accept"] = "*/*",
    ["Connection"] = "close",
  },
}

local VARIED = 20000

-- Return `count` requests that differ in path, query, cookie and what a proxy adds.
local function varied(count)
  local fields, requests = {}, {}
  for name, value in pairs(headers.browser) do
    fields[name] = value
  end
  fields["Host"] = wrk.headers["Host"]
  fields["X-Forwarded-Proto"] = "https"
  math.randomseed(1)
  local function id(length)
    local digits = {}
    for at = 1, length do
      digits[at] = string.format("%x", math.random(0, 15))
    end
    return table.concat(digits)
  end
  for number = 1, count do
    fields["Cookie"] = string.format("sessionid=%s; theme=dark", id(32))
    fields["X-Forwarded-For"] = string.format("203.0.%d.%d", math.random(100, 255), math.random(100, 255))
    fields["X-Request-Id"] = id(32)
    requests[number] = wrk.format("GET", string.format("/items/%06d?page=%03d", number, number % 1000), fields)
  end
  return requests
end

function init(args)
  if args[1] == "varied" then
    local requests, at = varied(VARIED), 0
    function request()
      at = at % VARIED + 1
      return requests[at]
    end
    return
  end
  local chosen = headers[args[1]]
  if not chosen then
    error("load.lua: name the headers: browser, curl, new or varied")
  end
  for name, value in pairs(chosen) do
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %.1f, "p90_us": %.1f, "p99_us": %.1f, "max_us": %.1f, '
      .. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency.max,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
