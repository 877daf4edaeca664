"""What goes out unread is, byte for byte, what would go out if it were read.

Answers are read by a wire and told as the driver tells them (`driven`), and that is what the
lane's memory learns from and is held to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.caching.status import EMPTY
from proxy.decisions.delivery import client_fields
from proxy.edges import restating as module
from proxy.edges.restating import Restated, Restating, Seen
from proxy.edges.wire import counted_head
from proxy.errors import UpstreamProtocolError
from proxy.fields import Fields
from proxy.flow.balance import FAILURE_STATUSES
from proxy.flow.outbox import Outbox
from proxy.flow.wire import KEEP_IDLE_S, Wire
from proxy.outcomes import Bypass, Forward, Outcome
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import NOW

DATE = "Date: Tue, 14 Nov 2023 22:13:20 GMT"


class Driven(NamedTuple):
    """What the driver makes of an answer, and whether and how long its connection is kept."""

    head: bytes
    body: bytes
    status: int
    fields: Fields
    keep_s: float
    goes_on: bool


def driven(answer: bytes, now: float) -> Driven | None:
    """None: the lane leaves it to the driver."""
    loop = asyncio.get_running_loop()
    wire = Wire(loop, Outbox(loop))
    wire.begin(has_answer_body=True)
    wire.data_received(answer)
    head = wire.whole_head
    if head is None or head.status in EMPTY | FAILURE_STATUSES:
        return None
    if "transfer-encoding" in head.fields or "content-length" not in head.fields:
        return None
    try:
        wire.take_head()
    except UpstreamProtocolError:
        return None
    visit = Visit(request=request(), began_at=now, began=0.0)
    visit.outcome, visit.forward, visit.reason = Outcome.BYPASS, Forward.BYPASS, Bypass.TTL_OFF
    visit.upstream_status = head.status
    body = wire.body_at_hand()
    fields = client_fields(None, head.status, head.fields, visit.story(), now)
    return Driven(
        counted_head(head.status, head.reason, fields, len(body)),
        body,
        head.status,
        head.fields,
        wire.keep_s,
        not wire.should_close,
    )


def relayed(restating: Restating, answer: bytes, now: float = NOW) -> Restated | None:
    """Restate it, or have it read and learnt; what is restated is what would be read."""
    read, restated = driven(answer, now), restating.restated(answer)
    if restated is None:
        if read is not None:
            restating.learn(answer, read.head, read.status, read.fields, read.keep_s)
        return None
    assert read is not None, answer
    assert read.goes_on
    assert restated.answer == read.head + read.body
    form = restated.form
    assert (restated.size, form.status, form.keep_s) == (len(read.body), read.status, read.keep_s)
    return restated


def which(answers: Iterable[bytes], restating: Restating | None = None) -> list[bool]:
    """Which of these are restated, as they come."""
    restating = restating or Restating(Seen())
    return [relayed(restating, each, NOW + n) is not None for n, each in enumerate(answers)]


def held(*lines: str, first: str = "HTTP/1.1 200 OK", body: bytes = b"ok") -> bytes:
    """An answer; `%d` is the length of its body."""
    text = "".join(f"{line}\r\n" for line in (first, *lines, ""))
    return text.replace("%d", str(len(body))).encode("latin-1") + body


LENGTH = "Content-Length: %d"


async def test_it_learns_at_the_second_sighting_and_restates_from_the_third() -> None:
    restating = Restating(Seen())
    answers = [held(DATE, f"X-Request-Id: {n}", LENGTH, body=b"x" * n) for n in range(4)]
    assert which(answers, restating) == [False, False, True, True]
    restated = restating.restated(held(LENGTH, DATE, "X-Request-Id: 9", body=b"body"))
    assert restated is not None
    assert restated.answer == (
        b"HTTP/1.1 200 OK\r\n" + DATE.encode() + b"\r\nX-Request-Id: 9\r\n"
        b"X-Cache: BYPASS\r\nCache-Status: larder; fwd=bypass; fwd-status=200; detail=ttl-off\r\n"
        b"Content-Length: 4\r\n\r\nbody"
    )
    assert (restated.size, restated.form.status, restated.form.keep_s) == (4, 200, KEEP_IDLE_S)


# Each comes again with another number in place of `#`.
RESTATED = [
    ("X-Request-Id: #",),
    ("x-request-id: #", "X-Request-Id: a#"),
    ("RateLimit-Remaining: #", "ratelimit-reset: #"),
    ("Set-Cookie: a=#", "Set-Cookie: b=#"),
    ("X-Latin: \xe4#\xff",),
    ("X-Percent: %s%%#",),
    ("X-Inner: a  b\t#",),
    ("Connection: keep-alive",),
    ("Connection: Keep-Alive", "Keep-Alive: timeout=7"),
    ("Age: 7", "X-Id: #"),
    ("X-Cache: HIT from up",),
    ("X-Id: #", "Cache-Status: up; hit"),
    ("Proxy-Connection: keep-alive", "TE: trailers", "Upgrade: h2c", "X-Id: #"),
    ("X-Empty: ", "X-Id: #"),
    ("User-Agent: #", "Trailer: X-T"),
]


@pytest.mark.parametrize("lines", RESTATED)
@pytest.mark.parametrize("at", [0, 1, -1])
async def test_what_is_alike_is_restated(lines: Sequence[str], at: int) -> None:
    made = [DATE, *lines]
    made.insert(at % (len(made) + 1), LENGTH)
    answers = [held(*(line.replace("#", str(n)) for line in made)) for n in range(3)]
    assert which(answers) == [False, False, True]


async def test_what_the_upstream_says_twice_as_we_do_is_never_restated() -> None:
    """Of two lines one would be left where it stands, and folded ones may come behind it."""
    lines = ("X-Cache: BYPASS", "X-Id: 1", "X-Cache: BYPASS")
    assert which([held(DATE, *lines, LENGTH)] * 3) == [False] * 3


@pytest.mark.parametrize("first", ["HTTP/1.1 200", "HTTP/1.1 404 Not Found", "HTTP/1.1 200 \xe4 x"])
async def test_whatever_the_status_and_its_words(first: str) -> None:
    answers = [held(DATE, f"X-Id: {n}", LENGTH, first=first) for n in range(3)]
    assert which(answers) == [False, False, True]


NEVER = {
    "no date": held(LENGTH),
    "closes": held(DATE, LENGTH, "Connection: close"),
    "names a field": held(DATE, LENGTH, "Connection: X-Hop", "X-Hop: 1"),
    "names one among others": held(DATE, LENGTH, "Connection: keep-alive, X-Hop", "X-Hop: 1"),
    "names a field in another line": held(
        DATE, LENGTH, "Connection: keep-alive", "Connection: X-Hop", "X-Hop: 1"
    ),
    "HTTP/1.0": held(DATE, LENGTH, first="HTTP/1.0 200 OK"),
    "HTTP/1.0 kept": held(DATE, LENGTH, "Connection: keep-alive", first="HTTP/1.0 200 OK"),
    "two lengths": held(DATE, LENGTH, LENGTH),
    "two lengths, otherwise spelled": held(DATE, LENGTH, "CONTENT-LENGTH: %d"),
    "an odd length": held(DATE, "CONTENT-LENGTH: %d"),
    "a length of its own spacing": held(DATE, "Content-Length:%d"),
    "a length with a blank": held(DATE, "Content-Length: %d "),
    "a list of lengths": held(DATE, "Content-Length: %d, %d"),
    "no length": held(DATE),
    "chunked": held(DATE, "Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"),
    "chunked, with a length": held(DATE, LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "no content": held(DATE, "Content-Length: 0", first="HTTP/1.1 204 No Content", body=b""),
    "not modified": held(DATE, "Content-Length: 0", first="HTTP/1.1 304 Not Modified", body=b""),
    "busy": held(DATE, LENGTH, first="HTTP/1.1 503 Busy"),
    "too short": held(DATE, LENGTH)[:-1],
    "too long": held(DATE, LENGTH) + b"x",
    "two": held(DATE, LENGTH) * 2,
    "early": held("Link: </a>", first="HTTP/1.1 103 Early Hints", body=b"") + held(DATE, LENGTH),
    "early, with a length": held(
        "Content-Length: 0", first="HTTP/1.1 103 Early Hints", body=b""
    ) + held(DATE, LENGTH),
    "the head only": held(DATE, "Content-Length: 2", body=b""),
    "half a head": held(DATE, LENGTH)[:30],
    "a folded line": held(DATE, LENGTH, "X-A: 1\r\n 2"),
    "lines that end in LF": held(DATE, LENGTH).replace(b"\r\n", b"\n"),
    "one line that ends in LF": held(DATE, "X-A: 1\nX-B: 2", LENGTH),
    "no blank behind a name": held(DATE, "X-A:1", LENGTH),
    "a blank behind a value": held(DATE, "X-A: 1 ", LENGTH),
    "a tab before a value": held(DATE, "X-A:\t1", LENGTH),
    "an empty value": held(DATE, "X-A:", LENGTH),
    "no HTTP": b"nonsense\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "a long head": held(DATE, LENGTH, "X-A: " + "x" * (8 << 10)),
}  # fmt: skip


@pytest.mark.parametrize("answer", NEVER.values(), ids=NEVER.keys())
async def test_what_is_unusual_is_read_each_time(answer: bytes) -> None:
    assert which([answer] * 4) == [False] * 4


@pytest.mark.parametrize("answer", NEVER.values(), ids=NEVER.keys())
async def test_also_once_plain_ones_are_known(answer: bytes) -> None:
    plain = [held(DATE, LENGTH)] * 3
    assert which([*plain, answer, answer, answer, plain[0]])[2:] == [True, *[False] * 3, True]


@pytest.mark.parametrize(
    "lines",
    [
        ("X-New: 1",),  # it may be in answers like one that was seen, but was not seen
        ("Age: 8",),
        ("X-Cache: HIT",),
        ("Keep-Alive: timeout=9",),
        ("Connection: close",),
        ("Connection: X-Id", "X-Id: 1"),
        ("X-Id:1",),
        ("X-Id: 1 ",),
    ],
)
async def test_what_is_said_otherwise_is_of_another_form(lines: tuple[str, ...]) -> None:
    plain = [held(DATE, f"X-Id: {n}", LENGTH) for n in range(3)]
    assert which([*plain, held(DATE, *lines, LENGTH)]) == [False, False, True, False]


@pytest.mark.parametrize("ours", ["X-Cache: BYPASS", "X-Cache: HIT", "Cache-Status: up; hit"])
@pytest.mark.parametrize("last", [False, True])
async def test_lines_of_ours_that_the_upstream_said_go_where_ours_go(ours: str, last: bool) -> None:
    """Wherever they stood when their form was learnt, and wherever they stand."""
    orders = [(DATE, "X-Id: 1", ours, LENGTH), (DATE, ours, "X-Id: 2", LENGTH)]
    learnt, other = orders if last else reversed(orders)
    which([held(*learnt), held(*learnt), held(*other), held(*learnt)])


async def test_another_date_is_of_the_same_form() -> None:
    later = [held(DATE.replace("20 GMT", f"2{each} GMT"), LENGTH) for each in (1, 2, 3)]
    assert which([held(DATE, LENGTH), *later]) == [False, False, True, True]


async def test_without_a_date_none_is_learnt_nor_restated() -> None:
    undated = held("X-Id: 1", LENGTH)
    restating = Restating(Seen())
    assert which([undated] * 3, restating) == [False] * 3
    assert which([held(DATE, "X-Id: 1", LENGTH)] * 3, restating) == [False, False, True]
    assert which([undated] * 2, restating) == [False] * 2


async def test_how_long_its_connection_is_kept_is_its_own() -> None:
    restating = Restating(Seen())
    kept = []
    for hint in (7, 9):
        answer = held(DATE, LENGTH, f"Keep-Alive: timeout={hint}")
        which([answer] * 2, restating)
        restated = relayed(restating, answer)
        assert restated is not None
        kept.append(restated.form.keep_s)
    assert kept == [6, 8]


async def test_what_came_with_a_part_of_its_body_is_learnt_too() -> None:
    restating, answer = Restating(Seen()), held(DATE, LENGTH)
    read = driven(answer, NOW)
    assert read is not None
    for came in (answer[:-1], answer[:-2]):
        restating.learn(came, read.head, read.status, read.fields, KEEP_IDLE_S)
    assert relayed(restating, answer) is not None


async def test_of_half_a_head_nothing_is_learnt() -> None:
    restating, answer = Restating(Seen()), held(LENGTH, DATE)
    read = driven(answer, NOW)
    assert read is not None
    for cut in range(len(answer) - 3):
        restating.learn(answer[:cut], read.head, read.status, read.fields, KEEP_IDLE_S)
        restating.learn(answer[:cut], read.head, read.status, read.fields, KEEP_IDLE_S)
        assert restating.restated(answer) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Id: 1\r\n", b""),
        (b"X-Id: 1", b"X-Id: 2"),
        (b"Content-Length: 2", b"Content-Length: 3"),
        (b"Content-Length: 2\r\n", b""),
        (b"2\r\n\r\n", b"2\r\n\r\nmore"),
    ],
)
async def test_what_was_edited_on_the_way_is_not_learnt(old: bytes, new: bytes) -> None:
    restating, answer = Restating(Seen()), held(DATE, "X-Id: 1", LENGTH)
    read = driven(answer, NOW)
    assert read is not None
    assert old in read.head
    for _ in range(2):
        went = read.head.replace(old, new, 1)
        restating.learn(answer, went, read.status, read.fields, KEEP_IDLE_S)
    assert restating.restated(answer) is None


async def test_so_many_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    restating = Restating(Seen())
    answers = [held(DATE, f"Age: {n}", LENGTH) for n in range(3)]
    for answer in answers:
        which([answer] * 2, restating)
    assert [restating.restated(each) is not None for each in answers] == [False, True, True]


# -- whatever comes

FIRST = st.sampled_from(
    (
        *("HTTP/1.1 200 OK",) * 8,
        *("HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 OK", "HTTP/1.1 404 Not Found"),
        *("HTTP/1.1 204 No", "HTTP/1.1 304 Not", "HTTP/1.1 503 No", "HTTP/1.1 200 \xe4"),
        *("HTTP/1.1 101 Switching", "HTTP/1.1 206 Part", "HTTP/1.1 100 Go on", "http/1.1 200 OK"),
    )
)
LINES = (
    *("Content-Type: text/plain", "X-Id: #", "x-id: #", "X-RateLimit-Remaining: #", "Vary: A"),
    *("Set-Cookie: a=#; Path=/", "Set-Cookie: b=2", "Set-Cookie: c=#", 'ETag: "#"', "Server: up"),
    *("Age: 7", "Age: #", "X-Cache: HIT from up", "X-Cache: BYPASS", "Cache-Status: up; hit"),
    *("Cache-Status: up; ttl=#", "cache-status: other", "X-Cache:BYPASS", "Via: 1.0 up"),
    *("Connection: keep-alive", "connection: Keep-Alive", "Connection: close", "Connection: X-Id"),
    *("Connection: keep-alive, X-Id", "Connection:", "Connection: ", "Connection: keep-alive "),
    *("Keep-Alive: timeout=#", "Keep-Alive: timeout=60", "keep-alive: max=1", "TE: trailers"),
    *("Proxy-Connection: keep-alive", "Upgrade: h2c", "Trailer: X-T", "User-Agent: #"),
    *("X-Spaced:#", "X-Trailing: # ", "X-Tab:\t#", "X-Empty:", "X-Empty: ", "X-Latin: \xe4#"),
    *("X-Percent: %s #", "X_Under: #", "Date: #", "date: Tue, 14 Nov 2023 22:13:21 GMT"),
    *("Content-Length: %d", "content-length: %d", "CONTENT-LENGTH: %d", "Content-Length: #"),
    *("Content_Length: #", "X Bad: #", ": #", "X-Fold: a\r\n #", "X-Line: a\nX-B: #", "X-CR: \r#"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "X-Nul: \0#", "HTTP/1.1 200 OK"),
)
PLAIN = 13
"""How many of these are as most are."""
LENGTHS = st.sampled_from(
    (
        *(LENGTH,) * 10,
        *("content-length: %d", "Content-length: %d", "Content-Length:%d", "Content-Length: 0%d"),
        *("Content-Length: +%d", "Content-Length: %d ", "Content-Length: 1", ""),
    )
)
DATES = st.sampled_from((*(DATE,) * 8, "date" + DATE[4:], "", "Date: never"))


@st.composite
def makes(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A head: its first line and the others."""
    lines = draw(st.lists(st.sampled_from((*LINES[:PLAIN] * 8, *LINES)), max_size=8))
    for line in (draw(DATES), draw(LENGTHS)):
        if line:
            lines.insert(draw(st.integers(0, len(lines))), line)
    return draw(FIRST), lines


# What stands for `#` in each line, what the body is, and what is done to it all.
VARIETY = st.tuples(
    st.integers(0, 3),
    st.sampled_from([b"ok", b"", b"longer", b"\r\n\r\n"]),
    st.sampled_from((*("as it is",) * 8, "cut", "more", "twice", "a line more")),
)


def varied(made: tuple[str, Sequence[str]], number: int, body: bytes, how: str) -> bytes:
    first, lines = made
    said = [line.replace("#", f"{number + place}") for place, line in enumerate(lines)]
    answer = held(*said, *(["X-More: 1"] if how == "a line more" else ()), first=first, body=body)
    return {"cut": answer[:-1], "more": answer + b"\r\n", "twice": answer * 2}.get(how, answer)


@given(st.lists(makes(), min_size=1, max_size=2), st.lists(VARIETY, min_size=3, max_size=12))
def test_whatever_is_restated_is_what_would_be_read(
    made: list[tuple[str, list[str]]], varieties: list[tuple[int, bytes, str]]
) -> None:
    answers = [
        varied(made[n // 4 % len(made)], number, body, how)
        for n, (number, body, how) in enumerate(varieties)
    ]

    async def hold() -> None:
        which(answers)

    asyncio.run(hold())
