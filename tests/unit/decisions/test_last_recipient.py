"""What Larder answers where a request may go no further (RFC 9110 §7.6.2)."""

from __future__ import annotations

import pytest

from proxy.decisions.last_recipient import last_answer
from tests.support.build import request


def test_options_are_answered_with_what_may_be_asked_and_nothing_else() -> None:
    """RFC 9110 §9.3.7."""
    own = last_answer(request(method="OPTIONS", target="/db/a"))
    assert (own.status, own.body, set(own.fields.names())) == (200, b"", {"allow"})
    assert "OPTIONS" in (own.fields.get("allow") or "")


def test_a_trace_is_told_what_arrived() -> None:
    """RFC 9110 §9.3.8."""
    asked = request(method="TRACE", target="/db/a?b", fields=[("Via", "1.0 fred"), ("X", "\xe4")])
    own = last_answer(asked)
    assert (own.status, own.fields.get("content-type")) == (200, "message/http")
    assert own.body == b"TRACE /db/a?b HTTP/1.1\r\nVia: 1.0 fred\r\nX: \xe4\r\n\r\n"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Session-ID"],
)
def test_a_trace_does_not_tell_what_is_secret(name: str) -> None:
    """RFC 9110 §9.3.8."""
    assert b"hush" not in last_answer(request(method="TRACE", fields={name: "hush"})).body
