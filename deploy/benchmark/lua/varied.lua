-- One target, and in each request a header that no other request has, in this run of wrk or another: a trace id.
-- Arguments: what sets this run of wrk apart, in at most 20 digits.
local count = 0
local head

function init(args)
   local run = string.rep("0", 20 - #args[1]) .. args[1]
   head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nTraceparent: 00-" .. run
end

function request()
   count = count + 1
   return head .. string.format("%012d-%016d-01\r\n\r\n", count, count)
end
