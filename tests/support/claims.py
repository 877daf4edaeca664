"""A claim in each of its states, of one sender and one window of ten minutes."""

from __future__ import annotations

from proxy.decisions.claim import Done, InDoubt, Kept, Sent
from proxy.fields import Fields
from tests.support.clock import NOW

SENT = Sent(owner="me", until=NOW + 600, fingerprint="f", deadline=NOW + 60)
DOUBT = InDoubt(owner="me", until=NOW + 600, fingerprint="f")
KEPT = Kept(
    status=201,
    reason="Created",
    fields=Fields([("Location", "/sms/1"), ("X-Name", "caf\xe9")]),
    body=b"\x00\n{}",
    at=NOW,
)
DONE = Done(owner="me", until=NOW + 600, fingerprint="f", answer=KEPT)
