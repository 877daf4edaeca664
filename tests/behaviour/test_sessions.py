"""Sessions: ids the proxy hands out, lives that end, one session's answers for nobody else."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from proxy.decisions.session_life import decode
from tests.support.answers import Answer as Scripted
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin, Received

TTL_S = 600.0
BY_COOKIE = "sessions: {from: cookie.sid, issue: cookie, ttl: 10m}"
BY_HEADER = "sessions: {from: header.x-session-id, issue: header, ttl: 10m}"
OWN = "sessions: {from: header.x-session-id, ttl: 10m, count: {devices: path.device}}"
ROUTES = """
- {name: mine, match: "GET /mine/{device}", scope: session, ttl: 1d}
- {name: everybody, ttl: 1d, scope: shared}
"""


def _numbered(origin: Origin) -> None:
    """Let every answer of the origin be another."""
    numbers = count(1)

    def number(_: Received) -> Scripted:
        return answer(b"%d" % next(numbers))

    origin.handler = number


def _cookie(said: Answer) -> str:
    """The pair that a browser would send back."""
    return said["Set-Cookie"].partition(";")[0]


def _as(session: str) -> dict[str, str]:
    return {"X-Session-ID": session}


async def _digest(proxy: Larder) -> str:
    """The digest of the session that was used last."""
    listed = (await proxy.manage("GET", "/api/sessions")).json()["sessions"]
    return str(listed[0]["session"])


# -- ids that are issued ----------------------------------------------------------------------


async def test_a_client_without_a_session_is_given_one_in_a_cookie(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=BY_COOKIE)
    first = await proxy.get("/db/mine/a", {"Cookie": "theme=dark"})
    pair, *attributes = first["Set-Cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"]
    assert (pair.startswith("sid="), len(pair) > 40) == (True, True)
    assert first["Cache-Control"] == "private, no-store"
    assert origin.last.fields.get("Cookie") == "theme=dark"
    again = await proxy.get("/db/mine/a", {"Cookie": f"theme=dark; {pair}"})
    assert (x_cache(first, again), again.body) == (["MISS", "HIT"], b"1")
    assert ("Set-Cookie" in again.fields, "Cache-Control" in again.fields) == (False, False)


async def test_the_id_never_reaches_the_upstream(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=BY_COOKIE)
    pair = _cookie(await proxy.get("/db/mine/a"))
    await proxy.get("/db/mine/b", {"Cookie": pair})
    await proxy.post("/db/other", "x", {"Cookie": f"{pair}; theme=dark"})
    assert [request.fields.get("Cookie") for request in origin.requests] == [
        None,
        None,
        "theme=dark",
    ]
    secret = pair.removeprefix("sid=").encode()
    assert all(secret not in request.raw for request in origin.requests)


async def test_a_client_without_a_session_is_given_one_in_a_header(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=BY_HEADER)
    first = await proxy.get("/db/mine/a")
    session = first["X-Session-ID"]
    again = await proxy.get("/db/mine/a", _as(session))
    assert (x_cache(first, again), "X-Session-ID" in again.fields) == (["MISS", "HIT"], False)
    assert "X-Session-ID" not in origin.last.fields


@pytest.mark.parametrize("top", [BY_COOKIE, BY_HEADER], ids=["cookie", "header"])
async def test_an_id_that_was_never_issued_counts_as_none(
    larder: StartLarder, origin: Origin, top: str
) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=top)
    made_up = "A" * 32
    forged = {"Cookie": f"sid={made_up}.{'0' * 32}", "X-Session-ID": made_up}
    first, second = await proxy.get("/db/mine/a", forged), await proxy.get("/db/mine/a", forged)
    assert x_cache(first, second) == ["MISS", "MISS"]
    given = [each.fields.get("Set-Cookie") or each["X-Session-ID"] for each in (first, second)]
    assert given[0] != given[1]
    assert made_up not in "".join(given)


async def test_only_answers_that_succeed_and_read_the_session_hand_out_ids(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(status=500), answer(b"body"))
    proxy = await larder(ROUTES, top=BY_COOKIE)
    failed, shared = await proxy.get("/db/mine/a"), await proxy.get("/db/logo")
    assert [each.fields.get("Set-Cookie") for each in (failed, shared)] == [None, None]
    assert "Cache-Control" not in shared.fields


async def test_what_is_stored_names_no_session_to_others(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    routes = '- {name: tagged, scope: shared, ttl: 1d, tags: ["of:{session}"]}'
    proxy = await larder(routes, top=BY_COOKIE)
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert _cookie(first) != _cookie(second)


async def test_the_cookie_of_a_session_in_use_is_renewed_now_and_then(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    clock = ManualClock()
    proxy = await larder(ROUTES, top=BY_COOKIE, clock=clock)
    pair = _cookie(await proxy.get("/db/mine/a"))
    told = []
    for passed in (1, TTL_S / 10, 1, TTL_S / 10):
        clock.advance(passed)
        told.append((await proxy.get("/db/mine/a", {"Cookie": pair})).fields.get("Set-Cookie"))
    assert [line is not None for line in told] == [False, True, False, True]
    assert {line.partition(";")[0] for line in told if line} == {pair}


async def test_pages_of_other_origins_may_carry_the_cookie_where_cors_lets_them(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    cors = "cors: {origins: https://app.example, credentials: true}"
    proxy = await larder(ROUTES, top=f"{BY_COOKIE}\n{cors}")
    said = await proxy.get("/db/mine/a", {"Origin": "https://app.example"})
    assert {"SameSite=None", "Secure"} <= set(said["Set-Cookie"].split("; "))


# -- isolation --------------------------------------------------------------------------------


async def test_no_session_is_served_what_is_anothers(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=OWN)
    asked = ["one", "two", "one", "two"]
    answers = [await proxy.get("/db/mine/a", _as(session)) for session in asked]
    assert x_cache(*answers) == ["MISS", "MISS", "HIT", "HIT"]
    assert [each.body for each in answers] == [b"1", b"2", b"1", b"2"]
    without = await proxy.get("/db/mine/a")
    assert (x_cache(without), (await proxy.told(5)).reason) == (["BYPASS"], "no-session")


# -- lives ------------------------------------------------------------------------------------


async def test_a_session_in_use_goes_on(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    clock = ManualClock()
    proxy = await larder(ROUTES, top=OWN, clock=clock)
    await proxy.get("/db/mine/a", _as("one"))
    for _ in range(5):
        clock.advance(TTL_S - 1)
        assert x_cache(await proxy.get("/db/mine/a", _as("one"))) == ["HIT"]


async def test_a_session_unused_for_its_ttl_has_ended_and_its_answers_never_come_back(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    clock = ManualClock()
    proxy = await larder(ROUTES, top=OWN, clock=clock)
    for device in "ab":
        await proxy.get(f"/db/mine/{device}", _as("one"))
    clock.advance(TTL_S + 1)
    ended = await proxy.get("/db/mine/a", _as("one"))
    assert (x_cache(ended), ended.body) == (["MISS"], b"3")
    assert (await proxy.told(3)).reason == "session-ended"
    clock.advance(TTL_S - 1)
    kept, old = [await proxy.get(f"/db/mine/{device}", _as("one")) for device in "ab"]
    assert x_cache(kept, old) == ["HIT", "MISS"]


async def test_what_is_shared_outlives_a_session(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    clock = ManualClock()
    routes = '- {name: tagged, scope: shared, ttl: 1d, tags: ["of:{session}"]}'
    proxy = await larder(routes, top=OWN, clock=clock)
    await proxy.get("/db/a", _as("one"))
    clock.advance(2 * TTL_S)
    assert x_cache(await proxy.get("/db/a", _as("one"))) == ["HIT"]


async def test_nobody_joins_a_flight_of_an_earlier_life(
    larder: StartLarder, origin: Origin
) -> None:
    held = asyncio.Event()
    origin.reply(answer(b"old", hold_head=held), answer(b"new"))
    clock = ManualClock()
    proxy = await larder(ROUTES, top=OWN, clock=clock)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.get("/db/mine/a", _as("one")))
        await origin.received(1)
        clock.advance(TTL_S + 1)
        second = group.create_task(proxy.get("/db/mine/a", _as("one")))
        await until(lambda: proxy.app.readings().in_flight == 2)
        held.set()
    assert (first.result().body, second.result().body) == (b"old", b"new")


# -- several instances ------------------------------------------------------------------------


async def test_instances_share_the_life_of_a_session(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    _numbered(origin)
    clock = ManualClock()
    one = await larder(ROUTES, top=OWN, clock=clock, shared=shared)
    two = await larder(ROUTES, top=OWN, clock=clock, shared=shared)
    await one.get("/db/mine/a", _as("s"))
    await one.written(1)
    await _seen_at(one, clock())
    for proxy in (two, one, two, one):
        clock.advance(TTL_S * 0.9)
        assert x_cache(await proxy.get("/db/mine/a", _as("s"))) == ["HIT"]
        await _seen_at(proxy, clock())
    clock.advance(TTL_S * 1.2)
    assert x_cache(await two.get("/db/mine/a", _as("s"))) == ["MISS"]


async def _seen_at(proxy: Larder, now: float) -> None:
    """Return once the note of the one session says that it was in use now."""

    async def told() -> bool:
        notes = [note async for _, note in proxy.app.cache.notes.list("session")]
        lives = [decode(note) for note in notes]
        return [life.seen_at for life in lives if life is not None] == [now]

    await until(told)


async def test_a_session_cleared_at_one_instance_is_cleared_at_all(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    _numbered(origin)
    one = await larder(ROUTES, top=OWN, shared=shared)
    two = await larder(ROUTES, top=OWN, shared=shared)
    await one.get("/db/mine/a", _as("s"))
    await one.get("/db/mine/a", _as("other"))
    await one.written(2)
    assert x_cache(await two.get("/db/mine/a", _as("s"))) == ["HIT"]
    digest = await _digest(two)
    told = (await two.manage("DELETE", f"/api/sessions/{digest}")).json()
    assert told == {"session": digest, "count": 1}

    async def gone() -> bool:
        return x_cache(await one.get("/db/mine/a", _as("s"))) == ["MISS"]

    await until(gone)
    assert x_cache(await one.get("/db/mine/a", _as("other"))) == ["HIT"]


async def test_a_session_lives_on_while_the_store_is_away(
    larder: StartLarder, origin: Origin
) -> None:
    _numbered(origin)
    clock = ManualClock()
    nowhere = "redis://127.0.0.1:1"
    top = f"{OWN}\nstore: {{shared: '{nowhere}', max_lag: forever}}"
    proxy = await larder(ROUTES, top=top, clock=clock)
    await proxy.get("/db/mine/a", _as("one"))
    clock.advance(TTL_S - 1)
    await proxy.get("/db/mine/a", _as("one"))
    assert [record.status for record in proxy.records] == [200, 200]


# -- what operators see -----------------------------------------------------------------------


async def test_statistics_of_each_session(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    clock = ManualClock()
    proxy = await larder(ROUTES, top=OWN, clock=clock)
    for device in "abaa":
        await proxy.get(f"/db/mine/{device}", _as("one"))
    clock.advance(60)
    await proxy.get("/db/mine/a", _as("two"))
    clock.advance(30)
    listed = (await proxy.manage("GET", "/api/sessions")).json()
    assert listed["count"] == 2
    two, one = listed["sessions"]
    assert {name: one[name] for name in ("entries", "hits", "misses", "hit_rate", "counts")} == {
        "entries": 2,
        "hits": 2,
        "misses": 2,
        "hit_rate": 0.5,
        "counts": {"devices": 2},
    }
    assert (one["age_s"], one["idle_s"], one["alive"]) == (90, 90, True)
    assert (two["age_s"], two["idle_s"], two["entries"]) == (30, 30, 1)
    alone = (await proxy.manage("GET", f"/api/sessions/{one['session']}")).json()
    assert alone == one


async def test_a_purge_by_id_ends_the_session_too(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=OWN)
    await proxy.get("/db/mine/a", _as("one"))
    assert (await proxy.purge(session="one"))["count"] == 1
    assert (await proxy.manage("GET", "/api/sessions")).json()["sessions"] == []
    assert x_cache(await proxy.get("/db/mine/a", _as("one"))) == ["MISS"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("digest", ["0" * 24, "not-a-digest"])
async def test_an_unknown_session(
    larder: StartLarder, origin: Origin, method: str, digest: str
) -> None:
    assert origin.requests == []
    proxy = await larder(ROUTES, top=OWN)
    said = await proxy.manage(method, f"/api/sessions/{digest}")
    assert (said.status, digest in said.json()["detail"]) == (404, False)


async def test_explain_tells_of_the_session(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    clock = ManualClock()
    proxy = await larder(ROUTES, top=OWN, clock=clock)
    asked = {"url": "/db/mine/a", "headers": _as("one")}

    async def explained() -> dict[str, object]:
        told: dict[str, object] = (await proxy.manage("POST", "/api/explain", asked)).json()
        return told

    before = await explained()
    await proxy.get("/db/mine/a", _as("one"))
    clock.advance(60)
    during = await explained()
    clock.advance(TTL_S)
    after = await explained()
    session = before["session"]
    assert isinstance(session, dict)
    assert (session["life"], session["digest"]) == (None, await _digest(proxy))
    assert during["session"] == {**session, "life": {"age_s": 60.0, "idle_s": 60.0}}
    plans = [each["plan"] for each in (during, after)]
    assert [plan["do"] for plan in plans if isinstance(plan, dict)] == ["serve", "fetch"]
    assert isinstance(plans[1], dict)
    assert plans[1]["reason"] == "session-ended"


async def test_no_id_is_in_what_operators_see(larder: StartLarder, origin: Origin) -> None:
    _numbered(origin)
    proxy = await larder(ROUTES, top=BY_COOKIE)
    pair = _cookie(await proxy.get("/db/mine/a"))
    secret = pair.removeprefix("sid=").encode()
    explained = {"url": "/db/mine/a", "headers": {"Cookie": pair}}
    said = [
        await proxy.manage("GET", "/api/sessions"),
        await proxy.manage("GET", "/api/entries"),
        await proxy.manage("GET", "/metrics"),
        await proxy.manage("POST", "/api/explain", explained),
    ]
    assert [each.status for each in said] == [200] * 4
    assert [secret in each.raw + each.body for each in said] == [False] * 4
    assert secret.decode() not in repr(proxy.records)
