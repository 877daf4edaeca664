-- POST with JSON bodies and a credential, TARGETS different bodies in turn. Arguments: TARGETS.
local requests, at = {}, 0

function init(args)
   local headers = {
      ["Host"] = wrk.headers["Host"],
      ["Content-Type"] = "application/json",
      ["Authorization"] = "Bearer made-up",
   }
   for number = 1, tonumber(args[1]) do
      local body = '{"model":"small","messages":[{"role":"user","content":"question ' .. number .. '"}]}'
      requests[number] = wrk.format("POST", wrk.path, headers, body)
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end
