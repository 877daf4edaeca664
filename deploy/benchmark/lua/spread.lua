-- TARGETS targets, each asked as often as any other, in one random order after the other. Arguments: TARGETS.
local requests, at = {}, 0

function init(args)
   local targets = tonumber(args[1])
   math.randomseed(5)
   for number = 1, targets do
      requests[number] = wrk.format("GET", wrk.path .. "/" .. number)
   end
   for number = targets, 2, -1 do
      local other = math.random(number)
      requests[number], requests[other] = requests[other], requests[number]
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end
