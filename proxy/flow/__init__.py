"""Floor 5: what goes on at the same time. Tasks, flights and broadcasts, the upstream client.

Knows sockets and the event loop, not what is stored or why. The upstream client
is `upstream`; `wire` and `connection` are the only doors to aiohttp's client here.
"""
