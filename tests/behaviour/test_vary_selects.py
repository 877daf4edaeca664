"""Which requests select the same variant, and what several variants do (RFC 9111 §4.1)."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

FRESH = ("Cache-Control", "max-age=60")
AE, AL = "Accept-Encoding", "Accept-Language"


def by(origin: Origin, *vary: str) -> None:
    """Answer with the number of the request, saying Vary on these lines."""

    def reply(_: Received) -> Answer:
        return answer(len(origin.requests), fields=[FRESH, *[("Vary", each) for each in vary]])

    origin.handler = reply


@pytest.mark.parametrize(
    ("vary", "one", "other", "same"),
    [
        # RFC 9110 §12.5.3: codings of equal weight in any order, old names, spaces, case
        pytest.param(AE, {AE: "gzip, br"}, {AE: "br,gzip"}, True, id="codings-order"),
        pytest.param(AE, {AE: "GZIP;Q=0.5"}, {AE: "gzip ; q=0.500"}, True, id="codings-spelling"),
        pytest.param(AE, {AE: "x-gzip"}, {AE: "gzip"}, True, id="codings-old-name"),
        pytest.param(AE, {AE: "gzip;q=1"}, {AE: "gzip"}, True, id="codings-weight-1"),
        pytest.param(AE, {AE: "gzip"}, {AE: "gzip;q=0"}, False, id="codings-refused"),
        pytest.param(
            AE, {AE: "gzip;q=0.5, br"}, {AE: "gzip, br;q=0.5"}, False, id="codings-weights"
        ),
        pytest.param(AE, {AE: "gzip"}, {AE: "gzip, br"}, False, id="codings-one-more"),
        pytest.param(AE, {AE: "identity"}, {}, False, id="codings-absent"),
        pytest.param(AE, {AE: ""}, {}, False, id="codings-empty-is-not-absent"),
        pytest.param(AE, {AE: "gzip;q=x, br"}, {AE: "br, gzip;q=x"}, False, id="codings-malformed"),
        # RFC 9110 §12.5.4: ranges of languages likewise
        pytest.param(AL, {AL: "de, en;q=0.5"}, {AL: "en;q=0.5,DE"}, True, id="languages-order"),
        pytest.param(AL, {AL: "de-AT"}, {AL: "DE-at"}, True, id="languages-case"),
        pytest.param(AL, {AL: "de, en;q=0.5"}, {AL: "en, de;q=0.5"}, False, id="languages-weights"),
        pytest.param(AL, {AL: "de"}, {AL: "de-AT"}, False, id="languages-narrower"),
        # any other field: white space and field lines only
        pytest.param("X-A", {"X-A": "a,  b"}, {"X-A": "a,b"}, True, id="other-spaces"),
        pytest.param("X-A", {"X-A": "a,b"}, {"X-A": "b,a"}, False, id="other-order"),
        pytest.param("X-A", {"X-A": "a"}, {"X-A": "A"}, False, id="other-case"),
        pytest.param("Cookie", {"Cookie": "a=1; b=2"}, {"Cookie": "b=2; a=1"}, False, id="cookie"),
        pytest.param(
            "User-Agent", {"User-Agent": "a, b"}, {"User-Agent": "a,b"}, False, id="no-list"
        ),
        pytest.param(
            "x-a, X-B", {"X-A": "1", "X-B": "2"}, {"x-b": "2", "x-a": "1"}, True, id="two"
        ),
        pytest.param("X-A, X-B", {"X-A": "1", "X-B": "2"}, {"X-A": "1"}, False, id="one-of-two"),
        pytest.param(
            "X-A, X-B", {"X-A": "1,2"}, {"X-A": "1", "X-B": "2"}, False, id="no-running-on"
        ),
    ],
)
async def test_two_requests(
    larder: StartLarder,
    origin: Origin,
    vary: str,
    one: FieldLines,
    other: FieldLines,
    same: bool,
) -> None:
    by(origin, vary)
    proxy = await larder()
    await proxy.get("/db/a", one)
    assert (await proxy.get("/db/a", other))["X-Cache"] == ("HIT" if same else "MISS")


@pytest.mark.parametrize(
    "lines",
    [["*"], ["Accept, *"], ["Accept", "*"], ["*, Accept"], ["Acc ept"], ["Accept, (a)"]],
    ids=["star", "in-a-list", "on-a-second-line", "first", "no-field-name", "one-no-field-name"],
)
async def test_what_matches_no_request_is_not_stored(
    larder: StartLarder, origin: Origin, lines: list[str]
) -> None:
    by(origin, *lines)
    proxy = await larder()
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "MISS"]


async def test_a_star_does_not_take_away_what_is_stored(
    larder: StartLarder, origin: Origin
) -> None:
    by(origin, "Accept")
    proxy = await larder()
    await proxy.get("/db/a", {"Accept": "a"})
    by(origin, "*")
    await proxy.get("/db/a", {"Accept": "b"})
    told = await proxy.get("/db/a", {"Accept": "a"})
    assert (told["X-Cache"], told["Vary"]) == ("HIT", "Accept")


async def test_an_empty_vary_selects_nothing(larder: StartLarder, origin: Origin) -> None:
    by(origin, "", ",")
    proxy = await larder()
    assert x_cache(await proxy.get("/db/a", {"Accept": "a"}), await proxy.get("/db/a")) == [
        "MISS",
        "HIT",
    ]


async def test_each_variant_lives_and_is_validated_by_itself(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """§4.3.1: with the validators of the variant that was asked for."""

    def reply(request: Received) -> Answer:
        which = request.fields.get("accept") or ""
        fields = [("Vary", "Accept"), ("ETag", f'"{which}"')]
        fields.append(("Cache-Control", "max-age=600" if which == "b" else "max-age=60"))
        validates = request.fields.get("if-none-match") is not None
        return answer(status=304, fields=fields) if validates else answer(which, fields=fields)

    origin.handler = reply
    proxy = await larder(clock=clock)
    for each in "abc":
        await proxy.get("/db/a", {"Accept": each})
    clock.advance(61)
    told = [await proxy.get("/db/a", {"Accept": each}) for each in "abc"]
    assert x_cache(*told) == ["REVALIDATED", "HIT", "REVALIDATED"]
    assert [each.body for each in told] == [b"a", b"b", b"c"]
    validated = [request.fields.get("if-none-match") for request in origin.requests[3:]]
    assert validated == ['"a"', '"c"']


async def test_a_variant_that_stops_to_vary_is_still_found(
    larder: StartLarder, origin: Origin
) -> None:
    """§4.1: whatever any answer of a key named selects: at worst a call more."""
    by(origin, "Accept")
    proxy = await larder()
    await proxy.get("/db/a", {"Accept": "a"})
    by(origin)
    await proxy.get("/db/a", {"Accept": "b"})
    told = [await proxy.get("/db/a", {"Accept": each}) for each in "ab"]
    assert x_cache(*told) == ["HIT", "HIT"]
    assert told[0].body != told[1].body
