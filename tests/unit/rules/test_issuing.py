"""Session ids of the proxy's own: what is accepted, taken out, and handed out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.fields import Fields
from proxy.rules.issuing import (
    NO_SESSIONS,
    RANDOM_BYTES,
    Carrier,
    Issuing,
    SessionSettings,
    without_issued,
)
from tests.support.build import request
from tests.unit.rules.support import matched, route_config

COOKIE = Issuing(carrier=Carrier.COOKIE, name="sid", secret=b"one", max_age=600.5)
HEADER = Issuing(carrier=Carrier.HEADER, name="x-session-id", secret=b"one")
ID = COOKIE.make(bytes(RANDOM_BYTES))


def test_an_id_is_long_and_needs_no_quoting() -> None:
    text, _, mac = ID.partition(".")
    assert (len(text), len(mac)) == (32, 32)
    assert ID.replace(".", "").replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("session", "accepted"),
    [
        (ID, True),
        (replace(COOKIE, secret=b"two").make(bytes(RANDOM_BYTES)), False),
        (COOKIE.make(b"\x01" * RANDOM_BYTES).partition(".")[0] + "." + ID.partition(".")[2], False),
        (ID[:-1], False),
        (ID + "0", False),
        ("", False),
        (".", False),
        ("caf\xe9", False),
        ("\udcff.\udcff", False),
    ],
)
def test_only_what_this_secret_signed_is_accepted(session: str, accepted: bool) -> None:
    assert COOKIE.accepts(session) is accepted


@pytest.mark.parametrize(
    ("issuing", "given", "rest", "found"),
    [
        (COOKIE, [("Cookie", f"sid={ID}")], [], ID),
        (COOKIE, [("Cookie", f"a=1; sid={ID}; b=2")], [("Cookie", "a=1; b=2")], ID),
        (COOKIE, [("Cookie", f"sid=forged; sid={ID}")], [], ID),
        (COOKIE, [("Cookie", "sid=forged; a=1")], [("Cookie", "a=1")], None),
        (COOKIE, [("Cookie", "a=1"), ("Cookie", f'sid="{ID}"')], [("Cookie", "a=1")], ID),
        (COOKIE, [("Cookie", "sid2=1; sid")], [("Cookie", "sid2=1; sid")], None),
        (COOKIE, [("X-Session-ID", ID)], [("X-Session-ID", ID)], None),
        (HEADER, [("X-Session-ID", ID), ("A", "1")], [("A", "1")], ID),
        (HEADER, [("x-session-id", "mine")], [], None),
    ],
)
def test_it_is_taken_out_with_every_forgery(
    issuing: Issuing, given: list[tuple[str, str]], rest: list[tuple[str, str]], found: str | None
) -> None:
    assert issuing.taken(Fields(given)) == (Fields(rest), found)


def test_fields_without_any_stay_the_same_object() -> None:
    fields = Fields([("Cookie", "a=1")])
    assert COOKIE.taken(fields)[0] is fields
    assert HEADER.taken(fields)[0] is fields


@pytest.mark.parametrize(
    ("issuing", "secure", "attributes"),
    [
        (COOKIE, False, ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"]),
        (COOKIE, True, ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600", "Secure"]),
        (replace(COOKIE, max_age=None), False, ["Path=/", "HttpOnly", "SameSite=Lax"]),
        (
            replace(COOKIE, max_age=0.2, cross_site=True),
            False,
            ["Path=/", "HttpOnly", "SameSite=None", "Max-Age=1", "Secure"],
        ),
        (
            replace(COOKIE, name="__Host-sid", max_age=None),
            False,
            ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"],
        ),
    ],
)
def test_the_cookie(issuing: Issuing, secure: bool, attributes: list[str]) -> None:
    told = issuing.handed_out(Fields(), ID, secure=secure)
    assert (told.get("set-cookie") or "").split("; ") == [f"{issuing.name}={ID}", *attributes]


@pytest.mark.parametrize("issuing", [COOKIE, HEADER])
def test_nobody_else_may_keep_the_answer_that_hands_it_out(issuing: Issuing) -> None:
    fields = Fields(
        [
            ("Cache-Control", "public, max-age=60"),
            ("CDN-Cache-Control", "max-age=60"),
            ("Surrogate-Control", "max-age=60"),
            ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("Set-Cookie", "theirs=1"),
        ]
    )
    told = issuing.handed_out(fields, ID, secure=False)
    assert told.get_all("cache-control") == ("private, no-store",)
    assert not {"cdn-cache-control", "surrogate-control", "expires"} & told.names()
    assert "theirs=1" in told.get_all("set-cookie")


def test_settings_that_say_nothing_need_no_attention() -> None:
    assert not NO_SESSIONS.attended
    assert SessionSettings(ttl=1.0).attended
    assert SessionSettings(issuing=COOKIE).attended


def test_what_is_counted_shows_no_secret() -> None:
    top = "sessions: {from: header.x-session-id, count: {ways: header.via, keys: header.x-api-key}}"
    config = route_config("ttl: 5m", top)
    given = {"Via": "1.1 a", "X-Api-Key": "hunter2"}
    match = matched(config, request("POST", "/api/a", fields=given))
    counted = dict(config.sessions.counted(match.subject))
    assert counted["ways"] == "1.1 a"
    assert "hunter2" not in counted["keys"]
    bare = matched(config, request("POST", "/api/a"))
    assert config.sessions.counted(bare.subject) == ()


def test_no_secret_is_in_its_text() -> None:
    assert "one" not in repr(COOKIE)


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("sid=x; Path=/", False),
        ("sid", False),
        ("sid =x", False),
        ("=sid=x", False),
        ("SID=x", True),
        ("sid2=x", True),
        ("theme=sid=x", True),
    ],
)
def test_an_upstream_sets_no_cookie_of_ours(line: str, *, stays: bool) -> None:
    other = ("Set-Cookie", "a=b")
    left = without_issued(COOKIE.source, Fields((("set-cookie", line), other)))
    assert left.get_all("set-cookie") == ((line, "a=b") if stays else ("a=b",))


def test_an_upstream_sends_no_field_of_ours() -> None:
    left = without_issued(HEADER.source, Fields((("X-Session-ID", ID), ("Vary", "Accept"))))
    assert left.names() == frozenset({"vary"})
