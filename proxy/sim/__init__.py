"""Simulated upstreams: what UPSTREAMS.md says of each API, over real sockets.

Floor 7, shipped: `larder demo` and the tests stand on them. They need no
account, no network and no sleep, and know nothing of the proxy.
"""
