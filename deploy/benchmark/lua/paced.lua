-- Connections that wait before each request, at random. Arguments: the mean wait in milliseconds.
local most = 0

function init(args)
   math.randomseed(5)
   most = 2 * tonumber(args[1]) - 1
end

function delay()
   return math.random(1, most)
end
