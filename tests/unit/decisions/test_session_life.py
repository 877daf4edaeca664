"""When a session's life goes on, begins anew, and what of it is told: ttl 100 s, slack 5 s."""

from __future__ import annotations

import math

import pytest

from proxy.decisions.session_life import (
    Life,
    decode,
    encode,
    goes_on,
    joined,
    met,
    note_ttl,
    serves_since,
    slack,
)

TTL = 100.0


@pytest.mark.parametrize(
    ("known", "noted", "now", "expected"),
    [
        pytest.param(None, None, 1000, Life(1000, 1000), id="nothing known: a new one"),
        pytest.param(Life(900, 950), None, 1000, Life(900, 1000), id="known here"),
        pytest.param(Life(900, 900), None, 1000, Life(900, 1000), id="to its last second"),
        pytest.param(Life(800, 899), None, 1000, Life(1000, 1000), id="ended"),
        pytest.param(Life(900, 1001), None, 1000, Life(900, 1001), id="requests overtake another"),
        pytest.param(None, Life(500, 920), 1000, Life(500, 1000), id="noted by another"),
        pytest.param(None, Life(500, 890), 1000, Life(500, 1000), id="a note is a tenth behind"),
        pytest.param(None, Life(500, 889), 1000, Life(1000, 1000), id="but no more"),
        pytest.param(Life(500, 700), Life(500, 950), 1000, Life(500, 1000), id="used elsewhere"),
        pytest.param(Life(500, 895), Life(500, 895), 1000, Life(1000, 1000), id="our own note"),
        pytest.param(Life(990, 995), Life(980, 985), 1000, Life(980, 1000), id="begun elsewhere"),
        pytest.param(Life(990, 995), Life(993, 993), 1000, Life(993, 1000), id="begun anew there"),
        pytest.param(Life(990, 995), Life(500, 984), 1000, Life(990, 1000), id="an earlier life"),
    ],
)
def test_the_life_of_a_request(
    known: Life | None, noted: Life | None, now: float, expected: Life
) -> None:
    assert met(known, noted, now, TTL) == expected


@pytest.mark.parametrize(
    ("known", "noted", "expected"),
    [
        (Life(900, 950), None, Life(900, 950)),
        (Life(900, 950), Life(890, 940), Life(890, 950)),
        (Life(900, 950), Life(890, 960), Life(890, 960)),
        (Life(900, 950), Life(500, 800), Life(900, 950)),
    ],
)
def test_what_is_noted(known: Life, noted: Life | None, expected: Life) -> None:
    assert joined(known, noted, TTL) == expected


def test_what_an_earlier_life_stored_is_not_served() -> None:
    assert serves_since(Life(1000, 1001), TTL) == 995
    assert serves_since(Life(1000, 1001), 4.0) == 998
    assert slack(1e6) == 5


def test_its_end() -> None:
    assert goes_on(Life(0, 50), 150, TTL)
    assert not goes_on(Life(0, 50), 150.1, TTL)
    assert note_ttl(TTL) == pytest.approx(110)


def test_a_note_is_read_as_it_was_written() -> None:
    assert decode(encode(Life(1.5, 2.5))) == Life(1.5, 2.5)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"1",
        b"2" + encode(Life(1, 2))[1:],
        encode(Life(1, 2)) + b"x",
        encode(Life(3, 2)),
        encode(Life(math.nan, 2)),
        encode(Life(1, math.inf)),
        encode(Life(1, math.nan)),
    ],
)
def test_what_is_no_note_says_nothing(note: bytes) -> None:
    assert decode(note) is None
