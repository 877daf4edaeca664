"""What is known of requests that come again: kept at the second sighting, within its bytes."""

from __future__ import annotations

import pytest

from proxy.edges.recurring import LONGEST, Place, Recurring, size_of

PEER = "192.0.2.1"


def get(target: str = "/a", *lines: str) -> bytes:
    text = "".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", "Host: x", *lines, ""))
    return text.encode("latin-1")


def table(max_bytes: int = 100) -> Recurring[str]:
    made = Recurring[str](max_bytes)
    made.adopt(("host", "accept"))
    return made


def sighted(known: Recurring[str], data: bytes, peer: str = PEER) -> Place:
    """See it twice."""
    assert known.sighted(peer, data) is None
    place = known.sighted(peer, data)
    assert place is not None
    return place


def test_what_is_kept_is_found_by_what_matters() -> None:
    known = table()
    known.keep(sighted(known, get("/a", "X-Id: 1")), "a", 10)
    assert known.find(PEER, get("/a", "X-Id: 2")) == "a"
    assert known.find(PEER, get("/a")) == "a"
    assert len(known) == 1


@pytest.mark.parametrize(
    ("peer", "data"),
    [
        ("192.0.2.2", get()),
        (PEER, get("/b")),
        (PEER, get("/a", "Accept: b")),
        (PEER, get("/a", "X-New: 1")),
        (PEER, get() + b"x"),
        (PEER, get()[:-1]),
    ],
)
def test_another_request_is_not_known(peer: str, data: bytes) -> None:
    known = table()
    known.keep(sighted(known, get()), "a", 10)
    assert known.find(peer, data) is None


def test_the_first_sighting_of_each_peer_is_not_kept() -> None:
    known = table()
    assert known.sighted(PEER, get("/a", "X-Id: 1")) is None
    assert known.sighted("192.0.2.2", get("/a", "X-Id: 2")) is None
    assert known.sighted(PEER, get("/b", "X-Id: 3")) is None
    assert known.sighted(PEER, get("/a", "X-Id: 4")) == (PEER, get("/a"))


def test_what_is_known_already_is_not_to_be_kept_again() -> None:
    known = table()
    known.keep(sighted(known, get()), "a", 10)
    assert known.sighted(PEER, get()) is None
    known.drop((PEER, get()))
    assert known.sighted(PEER, get()) == (PEER, get())


def test_what_cannot_be_folded_is_never_kept() -> None:
    known = table()
    folded_line = b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n"
    assert [known.sighted(PEER, folded_line) for _ in range(3)] == [None] * 3


def test_room_is_made_by_what_was_used_longest_ago() -> None:
    known = table(max_bytes=30)
    for name in "abc":
        known.keep(sighted(known, get(f"/{name}")), name, 10)
    assert known.find(PEER, get("/a")) == "a"
    known.keep(sighted(known, get("/d")), "d", 11)
    found = [known.find(PEER, get(f"/{name}")) for name in "abcd"]
    assert found == ["a", None, None, "d"]


def test_keeping_and_dropping_are_counted_once() -> None:
    known = table(max_bytes=30)
    place = sighted(known, get("/a"))
    for size in (10, 20, 10):
        known.keep(place, "a", size)
    other = sighted(known, get("/b"))
    known.keep(other, "b", 20)
    assert len(known) == 2
    known.drop(place)
    known.drop(place)
    assert (len(known), known.find(PEER, get("/a"))) == (1, None)
    known.keep(sighted(known, get("/c")), "c", 10)
    assert (len(known), known.find(PEER, get("/b"))) == (2, "b")


def test_what_takes_more_than_all_there_is_is_not_kept() -> None:
    known = table(max_bytes=30)
    known.keep(sighted(known, get("/a")), "a", 10)
    known.keep(sighted(known, get("/b")), "b", 31)
    assert len(known) == 0
    known.keep(sighted(known, get("/c")), "c", 30)
    assert known.find(PEER, get("/c")) == "c"


def test_a_longer_request_is_not_looked_for() -> None:
    known = table(max_bytes=LONGEST)
    known.keep(sighted(known, get("/a", "X-Id: 1")), "a", 10)
    spare = LONGEST - len(get("/a", "X-Id: "))
    assert known.find(PEER, get("/a", "X-Id: " + "x" * spare)) == "a"
    assert known.find(PEER, get("/a", "X-Id: " + "x" * (spare + 1))) is None


def test_nothing_outlives_the_rules() -> None:
    known = table(max_bytes=30)
    known.keep(sighted(known, get("/a", "X-Id: 1")), "a", 30)
    assert known.sighted(PEER, get("/b")) is None
    known.adopt(("x-id",))
    assert (len(known), known.find(PEER, get("/a"))) == (0, None)
    assert known.sighted(PEER, get("/b")) is None  # that it was seen is forgotten, too
    known.keep(sighted(known, get("/a", "X-Id: 1")), "new", 30)  # and its bytes are free
    assert known.find(PEER, get("/a", "X-Id: 1")) == "new"
    assert known.find(PEER, get("/a", "X-Id: 2")) is None


def test_it_says_which_fields_matter() -> None:
    known = table()
    assert known.heeds(("Host", "ACCEPT"))
    assert not known.heeds(("host", "x-id"))


def test_a_request_of_many_lines_takes_more() -> None:
    short, long = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 60
    assert size_of(long, 1000) - size_of(short, 1000) > 57 * 256
    assert size_of(short, 1000) > 1000 + 3 * len(short)
