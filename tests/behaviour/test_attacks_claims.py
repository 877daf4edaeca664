"""Attacks on requests that go up once: another's answer, another's name, a way around."""

from __future__ import annotations

from itertools import count

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.http import Connection
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

PAY = '- {name: pay, match: "POST /pay/{id}", key: "pay:{path.id}", dedupe: 10m}'
VICTIM = {"Authorization": "Bearer victim", "Idempotency-Key": "k-1"}


def numbered(origin: Origin) -> None:
    """Let every answer be another, of the credential that asked."""
    numbers = count(1)

    def number(request: Received) -> Answer:
        who = request.fields.get("authorization") or "nobody"
        return answer(f"{next(numbers)} for {who}", fields={"Set-Cookie": "sid=of-the-first"})

    origin.handler = number


@pytest.mark.parametrize(
    "other",
    [
        {"Idempotency-Key": "k-1"},
        {"Idempotency-Key": '"k-1"', "Authorization": "Bearer attacker"},
        {"Idempotency-Key": "k-1", "authorization": "bearer victim"},
        [("Idempotency-Key", "k-1"), ("Authorization", "x"), ("Authorization", "Bearer victim")],
        {"Idempotency-Key": "k-1", "Cookie": "authorization=Bearer victim"},
        {"Idempotency-Key": "k-1", "Connection": "Authorization", "X-Api-Key": "Bearer victim"},
    ],
)
async def test_the_name_of_anothers_request_is_neither_read_nor_locked(
    larder: StartLarder, origin: Origin, other: FieldLines
) -> None:
    """1. an attacker takes the name; 2. the victim's is sent; 3. the attacker gets his own."""
    numbered(origin)
    proxy = await larder(PAY)
    first = await proxy.post("/db/pay/1", b"theirs", other)  # 1
    mine = await proxy.post("/db/pay/1", b"mine", VICTIM)  # 2
    again = await proxy.post("/db/pay/1", b"theirs", other)  # 3
    assert x_cache(first, mine, again) == ["MISS", "MISS", "HIT"]
    assert (mine.body, again.body) == (b"2 for Bearer victim", first.body)
    assert "Set-Cookie" not in again.fields


@pytest.mark.parametrize(
    "lines",
    [
        [("Idempotency-Key", "k-1"), ("Idempotency-Key", "k-2")],
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "k-1, k-2"},
        {"Idempotency-Key": '"k-1'},
        {"Idempotency-Key": "k" * 257},
        {"Idempotency-Key": '"k-1"; a=b, "k-2"'},
    ],
)
async def test_a_name_that_can_be_read_two_ways_sends_nothing(
    larder: StartLarder, origin: Origin, lines: FieldLines
) -> None:
    proxy = await larder(PAY)
    assert (await proxy.post("/db/pay/1", b"x", lines)).status == 400
    assert origin.requests == []


@pytest.mark.parametrize(
    "lines",
    [
        {"Cache-Control": "no-cache, no-store"},
        {"Pragma": "no-cache"},
        {"Range": "bytes=0-1"},
        {"If-None-Match": "*"},
        {"If-Match": '"x"'},
        {"Connection": "Upgrade", "Upgrade": "h2c"},
        {"Expect": "100-continue"},
        {"Idempotency-Key": "another"},
        {"Connection": "Idempotency-Key", "Idempotency-Key": "another"},
    ],
)
async def test_no_field_sends_the_same_request_twice(
    larder: StartLarder, origin: Origin, lines: FieldLines
) -> None:
    numbered(origin)
    proxy = await larder(PAY)
    first = await proxy.post("/db/pay/1", b"x")
    again = await proxy.post("/db/pay/1", b"x", lines)
    assert (again.body, len(origin.requests)) == (first.body, 1)


@pytest.mark.parametrize("unkeyed", ["forward", "refuse"])
@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("/db/pay/1", {"X-HTTP-Method-Override": "DELETE"}),
        ("/db/pay/1", {"X_Original_Url": "/pay/1", "Idempotency-Key": "another"}),
        ("/db/x/../pay/1", {}),
        ("/db/pay/%2e/1", {"Idempotency-Key": "another"}),
    ],
)
async def test_what_may_mean_another_request_is_not_sent(
    larder: StartLarder, origin: Origin, target: str, lines: dict[str, str], unkeyed: str
) -> None:
    """Sent on, each would be one more way to have the same done twice."""
    numbered(origin)
    rule = f"dedupe: {{window: 10m, unkeyed: {unkeyed}}}"
    proxy = await larder(f'- {{name: all, match: "POST /{{any:path}}", {rule}}}')
    got = await proxy.post(target, b"x", lines)
    assert (got.status, got.json()["reason"]) == (422, "misleading")
    assert origin.requests == []


async def test_what_the_upstream_says_in_our_name_is_not_said_of_a_repeat(
    larder: StartLarder, origin: Origin
) -> None:
    lies = {"Idempotent-Replayed": "false", "X-Cost": "99", "X-Cost-Saved": "0"}
    origin.handler = lambda _: answer(b"done", fields=lies)
    proxy = await larder(PAY.replace("dedupe", "cost: {miss: 20, hit: 1}, dedupe"))
    await proxy.post("/db/pay/1", b"x")
    again = await proxy.post("/db/pay/1", b"x")
    told = [again.fields.get_all(name) for name in (*lies,)]
    assert told == [("true",), ("1",), ("19",)]


async def test_who_never_ends_a_request_holds_up_nobodys(
    larder: StartLarder, origin: Origin
) -> None:
    """1. an attacker begins a request under a name that all share; 2. others are served."""
    numbered(origin)
    proxy = await larder(PAY.replace("dedupe", "scope: shared, dedupe"))
    async with Connection.open(proxy.app.proxy_url) as attacker:
        await attacker.send(
            b"POST /db/pay/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"
        )  # 1
        await proxy.get("/db/elsewhere")
        told = await proxy.post("/db/pay/1", b"x", VICTIM)  # 2
    assert (told.status, told["X-Cache"]) == (200, "MISS")
