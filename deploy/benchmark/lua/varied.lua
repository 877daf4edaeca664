-- One target, and in each request a header that no other request has: a trace id.
local count = 0
local head

function init(args)
   head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nTraceparent: 00-"
end

function request()
   count = count + 1
   return head .. string.format("%032x-%016x-01\r\n\r\n", count, count)
end
