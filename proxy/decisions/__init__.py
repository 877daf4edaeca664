"""The decisions of an exchange, as pure functions from values to frozen plans.

`lookup` before anything goes upstream, `answer` once a head has come back, `failure` when
none did, `keeping` when a body is complete, `sharing` for whoever waits on another's fetch,
`delivery` for what the client is shown. No I/O, no clock: `now` is an argument.
"""
