-- What wrk sends: the requests of a plan file, each group as often as its weight says, within a
-- group at random. The plan is written by load.py:
--
--   group WEIGHT COUNT
--   LENGTH
--   <LENGTH bytes of one HTTP request>
--   ... COUNT times, then the next group
--
-- A request may hold @@TIMESTAMP@@ (13 digits, one larger each time) and @@NEWID@@ (9 digits, one
-- larger each time); both keep the length, so that Content-Length stays true.
--
-- Arguments: plan file, first timestamp, first id, pause of a connection in ms between two requests,
-- seed.

local groups, total = {}, 0
local stamp, id, pause = 0, 0, 0

local function split(text)
  local parts, at = {}, 1
  while true do
    local first, last, word = text:find("@@(%u+)@@", at)
    if not first then
      parts[#parts + 1] = text:sub(at)
      return #parts == 1 and text or parts
    end
    parts[#parts + 1] = text:sub(at, first - 1)
    parts[#parts + 1] = word
    at = last + 1
  end
end

function init(args)
  local plan = assert(io.open(args[1], "rb"))
  stamp, id, pause = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  while true do
    local line = plan:read("*l")
    if not line then break end
    local weight, count = line:match("^group (%d+) (%d+)$")
    local group = { weight = tonumber(weight), requests = {} }
    for i = 1, tonumber(count) do
      local text = plan:read(tonumber(plan:read("*l")))
      plan:read(1)
      group.requests[i] = split(text)
    end
    groups[#groups + 1] = group
    total = total + group.weight
  end
  plan:close()
  math.randomseed(tonumber(args[5]))
end

local function fill(parts)
  local out = {}
  stamp, id = stamp + 1, id + 1
  for i, part in ipairs(parts) do
    if i % 2 == 1 then
      out[i] = part
    elseif part == "TIMESTAMP" then
      out[i] = string.format("%013.0f", stamp)
    else
      out[i] = string.format("%09.0f", id)
    end
  end
  return table.concat(out)
end

local function choose()
  if #groups == 1 then return groups[1] end
  local at = math.random(total)
  for _, group in ipairs(groups) do
    at = at - group.weight
    if at <= 0 then return group end
  end
end

function request()
  local requests = choose().requests
  local found = requests[math.random(#requests)]
  return type(found) == "string" and found or fill(found)
end

function delay()
  return pause
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\nBENCH {"requests":%d,"bytes":%.0f,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50),
    latency:percentile(99), latency.max, e.connect, e.read, e.write, e.status, e.timeout))
end
