-- No target twice, in this run of wrk or another. Arguments: what sets this run of wrk apart.
local count = 0
local head, tail

function init(args)
   head = "GET " .. wrk.path .. "/" .. args[1] .. "-"
   tail = " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
end

function request()
   count = count + 1
   return head .. count .. tail
end
