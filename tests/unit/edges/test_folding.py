"""Folding drops whole lines of fields that do not matter, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_exceptions import InvalidURL
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import SINGLETON_HEADERS
from hypothesis import given, settings, strategies
from multidict import istr

from proxy.edges.folding import MOST_LINES, MOST_PLACES, MOST_TOGETHER, ONCE, Folding
from proxy.edges.heads import MAX_FIELDS
from proxy.rules.heeded import OF_HTTP

HEEDED = ("host", "authorization", "cookie", "x-http-method")


def head(*lines: str, first: str = "GET /a HTTP/1.1", body: str = "") -> bytes:
    """A request of these field lines."""
    return "\r\n".join((first, "Host: a", *lines, "", body)).encode("latin-1")


def knowing(*requests: bytes) -> Folding:
    """A folding that has learnt of these."""
    folding = Folding(HEEDED)
    for request in (*requests, *requests):
        assert folding.learn(request)
    return folding


TRACED = head("X-Trace: 1", "Accept: c", "authorization: b", "X-Größe: ä".replace("öß", "oss"))
FOLDING = knowing(TRACED)


@pytest.mark.parametrize(
    ("request_", "same_as"),
    [
        (TRACED, head("authorization: b")),
        (head("X-Trace: 2"), head()),
        (head("X-Trace: 2,\t3"), head()),
        (head("X-Trace: \xe4"), head()),
        (head("X-Trace: 1", "X-Trace: 2"), head()),
        (
            head("Accept: */*", "Cookie: a", "X-Trace: 1", "Cookie: b"),
            head("Cookie: a", "Cookie: b"),
        ),
        (head("X-Trace: 1", body="\r\nX-Trace: 1\r\n"), head(body="\r\nX-Trace: 1\r\n")),
    ],
)
def test_what_does_not_matter_is_dropped(request_: bytes, same_as: bytes) -> None:
    assert FOLDING.fold(request_) == FOLDING.fold(same_as) == same_as


@pytest.mark.parametrize(
    "request_",
    [
        head("X-Trace: \x01"),
        head("X-Trace:1"),
        head("X-Trace:"),
        head("X-Trace: 1 "),
        head("X-Trace:\t1"),
        head("X-Trace: \t1"),
        head("X-Trace:  1"),
        head("X-Trace : 1"),
        head(" X-Trace: 1"),
        head("X-Trace: a\nHost: b"),
        head("X-Trace: a\rHost: b"),
        head("X-Trace: a\x00"),
        head("Authorization: c"),
        head("X_HTTP_METHOD: DELETE"),
        head("X-Http-Method: DELETE"),
        head("X-Unknown: 1"),
        head("X-Trace2: 1"),
        head("x-tRACE: 1"),
        head(first="GET /a HTTP/1.1\r\nX-Trace 1"),
        head(body="X"),
        b"GET /a HTTP/1.1\r\nX-Trace: 1\r\n",
        b"X-Trace: 1\r\nX-Trace: 1\r\n\r\n",
        head(*["X-Trace: 1"] * 65),
        b"",
    ],
)
def test_what_may_matter_or_may_be_malformed_is_not_like_anything_well_formed(
    request_: bytes,
) -> None:
    assert FOLDING.fold(request_) not in {head(), head("authorization: b")}


def test_a_continued_line_is_glued_to_no_other() -> None:
    folded = FOLDING.fold(head("Cookie: a", "X-Trace: 1", " b"))
    assert folded not in {head("Cookie: a"), head("Cookie: a b")}
    assert not Folding(HEEDED).learn(folded)


@pytest.mark.parametrize(
    "request_",
    [
        head("X-Own: 1", " folded"),
        head("X-Own : 1"),
        head("X-Own: \x7f"),
        b"GET / HTTP/1.0\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n",
        head(*["Cookie: a"] * 65),
    ],
)
def test_what_is_not_plainly_lines_of_fields_is_not_learnt_from(request_: bytes) -> None:
    folding = Folding(HEEDED)
    assert not folding.learn(request_)
    assert not folding.learn(request_)
    assert folding.fold(head("X-Own: 1")) == head("X-Own: 1")


def test_a_name_is_learnt_when_it_comes() -> None:
    folding = Folding(HEEDED)
    assert folding.fold(head("X-Own: 1")) == head("X-Own: 1")
    assert folding.learn(head("X-Own: 1"))
    assert folding.fold(head("X-Own: 2")) == head()


def test_of_many_names_one_is_learnt_when_it_comes_again() -> None:
    folding = Folding(HEEDED)
    for number in range(60):
        assert folding.learn(head(f"X-Junk-{number}: 1"))
    assert folding.learn(head("X-Own: 1"))
    assert folding.fold(head("X-Own: 1")) == head("X-Own: 1")
    assert folding.learn(head("X-Own: 2"))
    assert folding.fold(head("X-Own: 3")) == head()


def test_a_name_is_learnt_as_it_is_spelled_and_as_most_spell_it() -> None:
    folding = knowing(head("X-own-ID: 1"))
    for name in ("X-own-ID", "x-own-id", "X-Own-Id", "X-Own-ID"):
        assert folding.fold(head(f"{name}: 1")) == head()
    assert folding.fold(head("X-OWN-ID: 1")) == head("X-OWN-ID: 1")


@pytest.mark.parametrize(
    "name", ["Accept", "accept-encoding", "traceparent", "X-Request-ID", "DNT"]
)
def test_usual_names_need_not_be_learnt(name: str) -> None:
    assert Folding(HEEDED).fold(head(f"{name}: 1")) == head()
    assert Folding([*HEEDED, name]).fold(head(f"{name}: 1")) == head(f"{name}: 1")


def test_names_that_anybody_sends_do_not_keep_others_out() -> None:
    folding = knowing(*(head(f"X-Junk-{number}: 1") for number in range(60)))
    for _ in range(1024):
        assert folding.learn(head("X-Honest: 1"))
    assert folding.fold(head("X-Honest: 1", "Accept: a")) == head()


def test_what_is_found_is_the_same_whatever_was_learnt_in_between() -> None:
    """A name that was dropped and is kept again makes a miss, never another's answer."""
    before = knowing(head("X-Own: 1"))
    others = [head(f"X-Junk-{number}: 1") for number in range(32)]
    after = knowing(*others, *others)
    for _ in range(3):
        assert after.learn(head("X-Own: 1"))
    requests = [head("X-Own: 1", "Cookie: a"), head("X-Own: 1"), head("Cookie: a"), head()]
    said = [head("Cookie: a"), head(), head("Cookie: a"), head()]
    for one, says in zip(requests, said, strict=True):
        for other, others_say in zip(requests, said, strict=True):
            assert says == others_say or before.fold(one) != after.fold(other)


def test_what_has_more_lines_than_are_let_in_is_like_nothing_that_has_fewer() -> None:
    assert MOST_LINES + MOST_PLACES * MOST_TOGETHER <= MAX_FIELDS
    fewer = FOLDING.fold(head(*["Cookie: a"] * 63))
    assert FOLDING.learn(fewer)
    for many in (["Accept: b"] * 4 + ["Cookie: a"]) * 63, ["Cookie: a"] * 63 + ["Accept: b"] * 200:
        assert FOLDING.fold(head(*many)) != fewer


@pytest.mark.parametrize("number", [*range(20, 30), 47, 48, 49])
def test_the_body_and_what_comes_twice_behind_many_lines(number: int) -> None:
    many = ["Accept: a"] * number
    body = "\r\nAccept: a\r\nUser-Agent: a\r\n"
    assert FOLDING.fold(head(*many, body=body)).endswith(b"\r\n\r\n" + body.encode())
    once, twice = head(*many, "User-Agent: a"), head(*many, "User-Agent: a", "User-Agent: b")
    assert FOLDING.fold(once) != FOLDING.fold(twice) == twice


def test_which_names_it_heeds() -> None:
    folding = Folding(("Accept-Language", "x_y"))
    assert folding.heeds(())
    assert folding.heeds(("accept-language", "X-Y"))
    assert not folding.heeds(("accept-language", "accept"))


# -- the field that may come once


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT", "uSeR-agent"])
def test_what_the_client_is_called_does_not_matter(name: str) -> None:
    folding = Folding(HEEDED)
    assert folding.fold(head(f"{name}: curl/8", "Cookie: a")) == head("Cookie: a")
    assert folding.fold(head("Accept: c", f"{name}: b (c; d)", body="e")) == head(body="e")


def test_what_the_client_is_called_is_kept_where_it_matters() -> None:
    folding = Folding([*HEEDED, "user-agent"])
    request = head("User-Agent: a")
    for _ in range(3):
        assert folding.learn(request)
    assert folding.fold(request) == request


@pytest.mark.parametrize("body", ["", "b", "User-Agent: c\r\n", "\r\n\r\n", "\n"])
@pytest.mark.parametrize("between", [[], ["Accept: a"], ["Cookie: a"], ["Upgrade-x: a"] * 30])
@pytest.mark.parametrize("first", ["User-Agent: a", "user-agent:a", "User-Agent:", "User-Agent: "])
@pytest.mark.parametrize("second", ["User-Agent: a", "USER-agent: b", "user-agent:b "])
def test_two_of_it_are_like_no_other(
    first: str, second: str, between: list[str], body: str
) -> None:
    folding = Folding(HEEDED)
    for lines in ([first, *between, second], [second, *between, first]):
        twice = head(*lines, body=body)
        assert folding.fold(twice) == twice


# -- as the parser reads them

HDRS = sorted({str(each).lower() for each in vars(hdrs).values() if isinstance(each, istr)})

NAMES = (
    *sorted(SINGLETON_HEADERS - {"content-length", "transfer-encoding"}),
    *("accept", "x-trace", "cookie", "sec-websocket-key1"),
)
SPELLINGS: tuple[Callable[[str], str], ...] = (str.title, str.lower, str.upper)
SEPARATORS = (": ", ": ", ": ", ": ", ":", ":  ", ":\t", " : ", "")
VALUES = ("a", "b", "a b", "1", "", "a ", "a\tb", "\xe4", "a\x01", "a\nb", "a\rb", "\x00")
ENDS = ("\r\n",) * 12 + ("\n", "\r", "\r\r\n", "\r\n ", "\r\n\n")
LINES = strategies.builds(
    lambda name, spell, *rest: spell(name) + "".join(rest),
    strategies.sampled_from(NAMES),
    *map(strategies.sampled_from, (SPELLINGS, SEPARATORS, VALUES, ENDS)),
)
ORDERLY = strategies.builds(
    lambda name, spell, value: f"{spell(name)}: {value}\r\n",
    strategies.sampled_from(NAMES),
    *map(strategies.sampled_from, (SPELLINGS, "ab")),
)
REQUESTS = strategies.builds(
    lambda host, lines, end: f"GET /a HTTP/1.1\r\n{host}{''.join(lines)}{end}".encode("latin-1"),
    strategies.sampled_from(["Host: a\r\n"] * 4 + ["", "host:a\r\n"]),
    strategies.lists(ORDERLY, max_size=4)
    | strategies.lists(LINES, max_size=4)
    | strategies.tuples(LINES, ORDERLY, ORDERLY)
    | strategies.builds(
        lambda many, line, lines: [line] * many + lines,
        strategies.integers(MOST_TOGETHER - 2, MOST_TOGETHER + 1),
        ORDERLY,
        strategies.lists(ORDERLY, max_size=3),
    ),
    strategies.sampled_from(["\r\n"] * 6 + ["", "\n", "\r"]),
)


def fields_of(request: bytes) -> list[tuple[bytes, bytes]] | None:
    """What the parser says are the fields of all of this; None if it is not one whole request."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        messages, _, tail = parser.feed_data(request)
    except (BadHttpMessage, InvalidURL):
        return None
    finally:
        loop.close()
    return None if len(messages) != 1 or tail else list(messages[0][0].raw_headers)


def heeding_http() -> Folding:
    """One that heeds what HTTP reads, and has learnt the other names."""
    folding = Folding(OF_HTTP)
    for spell in SPELLINGS * 2:
        assert folding.learn(head(*(f"{spell(name)}: a" for name in NAMES)))
    return folding


HEEDS_HTTP = heeding_http()


def said(request: bytes) -> list[tuple[bytes, bytes]] | None:
    """What this says to whoever reads no other fields; None: it is refused."""
    fields = fields_of(request)
    if fields is None:
        return None
    return [(name, value) for name, value in fields if name.decode("latin-1").lower() in OF_HTTP]


@pytest.mark.parametrize("name", sorted(SINGLETON_HEADERS))
def test_what_the_parser_takes_once_is_heeded_or_comes_once(name: str) -> None:
    assert name in OF_HTTP or name == ONCE


@pytest.mark.parametrize("name", HDRS)
def test_what_the_parser_refuses_twice_is_folded_like_no_other(name: str) -> None:
    for value in ("1", "a"):
        once, twice = head(f"{name}: {value}"), head(f"{name}: {value}", f"{name}: {value}")
        refused = fields_of(once) is not None and fields_of(twice) is None
        assert not refused or HEEDS_HTTP.fold(twice) != HEEDS_HTTP.fold(once)
        assert fields_of(once) is not None or name in OF_HTTP


@given(one=REQUESTS, other=REQUESTS)
@settings(max_examples=1500, deadline=None)
def test_what_folds_alike_says_the_same(one: bytes, other: bytes) -> None:
    if one != other and HEEDS_HTTP.fold(one) == HEEDS_HTTP.fold(other):
        assert said(one) == said(other)


@given(request_=REQUESTS)
@settings(max_examples=1500, deadline=None)
def test_what_is_refused_folds_to_nothing_that_is_not(request_: bytes) -> None:
    folded = HEEDS_HTTP.fold(request_)
    if fields_of(request_) is None:
        assert fields_of(folded) is None or HEEDS_HTTP.fold(folded) != folded
    else:
        assert said(folded) == said(request_)
