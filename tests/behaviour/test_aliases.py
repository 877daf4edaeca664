"""An answer is found by the other keys it has, and by none it should not be found by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.outcomes import NotServed
from tests.support.answers import Answer, answer
from tests.support.both import both
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, rules_text, x_cache
from tests.support.origin import Origin, Received

ROUTES = """
- name: by-id
  match: GET /sessions/{id}
  key: "call:{path.id}"
  ttl: TTL
  stale: {if_error: 1h, while_revalidate: 1h}
  tags: ["call:{path.id}"]
  aliases: ["call:lead:{response.body.lead}", "call:talk:{response.body.talk}"]
- name: by-lead
  match: GET /leads/{lead}/session
  key: "call:lead:{path.lead}"
  ttl: TTL
  stale: {if_error: 1h, while_revalidate: 1h}
  tags: ["lead:{path.lead}"]
- name: by-talk
  match: GET /talks/{talk}/session
  key: "call:talk:{path.talk}"
  ttl: TTL
"""
TIMED = ROUTES.replace("TTL", "2m")
ENTRY_AND_ALIASES = 3
PLACES = ("/db/sessions/1", "/db/leads/7/session", "/db/talks/x/session")
ID, LEAD, TALK = PLACES
ETAG = {"ETag": '"of-the-session"'}


def session(lead: object = 7, talk: object = "x") -> Answer:
    """The session by its id; the lead is a number, as JSON has it, and text in a path."""
    return answer({"id": 1, "lead": lead, "talk": talk}, fields=ETAG)


def elsewhere(request: Received) -> Answer:
    """What the upstream itself says of any place."""
    return answer(f"upstream: {request.target}", fields={"ETag": '"of-its-own"'})


async def asked(proxy: Larder, *places: str) -> list[str]:
    """X-Cache of each place in turn."""
    return x_cache(*[await proxy.get(place) for place in places])


async def test_found_by_id_by_lead_and_by_conversation(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    origin.reply(session())
    pair = await both(larder, every_store, TIMED)
    first = await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    found = [await pair.two.get(place) for place in (LEAD, TALK, ID)]
    assert x_cache(first, *found) == ["MISS", "HIT", "HIT", "HIT"]
    assert {each.body for each in found} == {first.body}
    assert len(origin.requests) == 1


async def test_an_alias_whose_value_is_missing_is_left_out(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer({"id": 1, "lead": 7}))
    origin.handler = elsewhere
    proxy = await larder(TIMED)
    assert await asked(proxy, ID, LEAD, TALK) == ["MISS", "HIT", "MISS"]


async def test_not_found_by_a_lead_it_no_longer_has(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    """Nothing was invalidated: the newer answer says it by itself."""
    origin.reply(session(), session(lead=8))
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED)
    await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    await pair.one.get(ID, {"Cache-Control": "no-cache"})
    await pair.put(2 * ENTRY_AND_ALIASES)
    found = [await pair.two.get(place) for place in ("/db/leads/8/session", LEAD, TALK)]
    assert x_cache(*found) == ["HIT", "MISS", "HIT"]
    assert pair.two.records[-2].reason is NotServed.ALIAS


@pytest.mark.parametrize(
    "members",
    [{"tags": ["call:1"]}, {"route": "by-id"}, {"url": ID}, {"prefix": "call:1"}],
    ids=["tag", "route", "url", "prefix"],
)
async def test_what_kills_the_answer_kills_all_that_leads_to_it(
    larder: StartLarder, origin: Origin, every_store: str, members: dict[str, object]
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED)
    await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    assert await asked(pair.two, *PLACES) == ["HIT", "HIT", "HIT"]
    await pair.purge(**members)
    assert await asked(pair.two, *PLACES) == ["MISS", "MISS", "MISS"]


@pytest.mark.parametrize(
    "members",
    [{"url": LEAD}, {"tags": ["lead:7"]}, {"route": "by-lead"}, {"prefix": "call:lead:"}],
    ids=["url", "tag", "route", "prefix"],
)
async def test_what_kills_the_asked_routes_own_answer_kills_the_alias_alone(
    larder: StartLarder, origin: Origin, every_store: str, members: dict[str, object]
) -> None:
    """By the names that the answer would have as this route's own, which the other has not."""
    origin.reply(session())
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED)
    await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    assert await asked(pair.two, LEAD) == ["HIT"]
    await pair.purge(**members)
    assert await asked(pair.two, LEAD, ID, TALK) == ["MISS", "HIT", "HIT"]
    assert await asked(pair.two, LEAD) == ["HIT"], "its own answer now"


async def test_a_write_to_the_aliased_url_is_heeded(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    """RFC 9111 §4.4, for a URL under which nothing of its own was stored."""
    origin.reply(session(), answer("written"))
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED)
    await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    await pair.two.ask("PUT", LEAD, body="new")
    assert await asked(pair.two, LEAD, ID) == ["MISS", "HIT"]


async def test_no_other_credential_finds_it(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED)
    mine, theirs = {"Authorization": "mine"}, {"Authorization": "theirs"}
    await pair.one.get(ID, mine)
    await pair.put(ENTRY_AND_ALIASES)
    found = [await pair.two.get(LEAD, each) for each in (theirs, {}, mine)]
    assert x_cache(*found) == ["MISS", "MISS", "HIT"]
    assert found[0].body == found[1].body != found[2].body


async def test_once_stale_it_is_an_ordinary_miss(
    larder: StartLarder, origin: Origin, every_store: str, clock: ManualClock
) -> None:
    """Neither its validators go up, nor does it stand in when the upstream fails."""
    origin.reply(session(), answer("down", 503))
    origin.handler = elsewhere
    pair = await both(larder, every_store, TIMED, clock=clock)
    await pair.one.get(ID)
    await pair.put(ENTRY_AND_ALIASES)
    clock.advance(121)
    failed, own = await pair.two.get(LEAD), await pair.two.get(LEAD)
    assert (failed.status, failed["X-Cache"], own["X-Cache"]) == (503, "MISS", "MISS")
    assert own.body == b"upstream: /leads/7/session"
    assert not any("if-none-match" in each.fields for each in origin.requests)
    assert (await pair.two.get(ID))["X-Cache"] == "STALE", "while its own is of use still"


@pytest.mark.parametrize("wish", ["no-cache", "max-age=0", "max-stale=600"])
async def test_a_client_that_declines_it_validates_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock, wish: str
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    proxy = await larder(TIMED, clock=clock)
    await proxy.get(ID)
    clock.advance(121 if wish.startswith("max-stale") else 1)
    told = await proxy.get(LEAD, {"Cache-Control": wish})
    assert (told["X-Cache"], told.body) == ("MISS", b"upstream: /leads/7/session")
    assert "if-none-match" not in origin.last.fields


async def test_the_variant_that_the_request_selects(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    def translated(request: Received) -> Answer:
        language = request.fields.get("accept-language")
        return answer({"lead": 7, "in": language}, fields={"Vary": "Accept-Language"})

    origin.handler = translated
    pair = await both(larder, every_store, TIMED)
    stored = []
    for number, language in enumerate(("en", "de"), start=1):
        stored.append(await pair.one.get(ID, {"Accept-Language": language}))
        await pair.put(3 * number)  # each with its marker and its alias
    found = [await pair.two.get(LEAD, {"Accept-Language": each}) for each in ("en", "de", "fr")]
    assert x_cache(*found) == ["HIT", "HIT", "MISS"]
    assert [each.body for each in found[:2]] == [each.body for each in stored]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(lambda text: text + "- {name: more, ttl: off}\n", "HIT", id="unrelated"),
        pytest.param(lambda text: text.replace("2m", "3m"), "MISS", id="other-rules"),
        pytest.param(
            lambda text: text.replace('"call:lead:{response.body.lead}", ', ""),
            "MISS",
            id="no-alias-any-more",
        ),
        pytest.param(
            lambda text: text.replace(
                'key: "call:{path.id}"', 'key: "call:{path.id}"\n  enabled: false'
            ),
            "MISS",
            id="switched-off",
        ),
    ],
)
async def test_a_reload_forgets_what_the_rules_no_longer_say(
    larder: StartLarder, origin: Origin, edit: Callable[[str], str], expected: str
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    proxy = await larder(TIMED)
    await proxy.get(ID)
    proxy.rules.write_text(rules_text(edit(TIMED)))
    assert (await proxy.manage("POST", "/api/reload")).status == 200
    assert await asked(proxy, LEAD) == [expected]


async def test_what_is_used_by_an_alias_lives_on_in_its_own_place(
    larder: StartLarder, origin: Origin, every_store: str, clock: ManualClock
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    sliding = ROUTES.replace("TTL", "{default: 100s, sliding: true}")
    pair = await both(larder, every_store, sliding, clock=clock)
    await pair.one.get(ID)
    clock.advance(60)
    assert await asked(pair.one, LEAD) == ["HIT"]
    clock.advance(60)
    assert await asked(pair.one, ID, LEAD) == ["HIT", "HIT"]


async def test_an_answer_of_its_own_takes_the_place_of_an_alias(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(session())
    origin.handler = elsewhere
    proxy = await larder(TIMED, clock=clock)
    await proxy.get(ID)
    clock.advance(1)
    await proxy.get(LEAD, {"Cache-Control": "no-cache"})
    told = await proxy.get(LEAD)
    assert (told["X-Cache"], told.body) == ("HIT", b"upstream: /leads/7/session")


async def test_explain_and_entries_tell_of_it(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(session())
    proxy = await larder(TIMED, clock=clock)
    await proxy.get(ID)
    said = {
        place: (await proxy.manage("POST", "/api/explain", {"url": place})).json()
        for place in (ID, LEAD)
    }
    assert {place: each["by_alias"] for place, each in said.items()} == {ID: False, LEAD: True}
    assert said[LEAD]["plan"]["do"] == "serve"
    assert said[LEAD]["stored"] == said[ID]["stored"]
    listed = {each["head"]: each for each in await proxy.entries()}
    assert {head: each["kind"] for head, each in listed.items()} == {
        "call:1": "response",
        "call:lead:7": "alias",
        "call:talk:x": "alias",
    }
    assert sorted(said[ID]["stored"]["aliases"]) == sorted(
        listed[head]["key"] for head in ("call:lead:7", "call:talk:x")
    )
    alias = await proxy.manage("GET", f"/api/entries/{listed['call:lead:7']['key']}")
    assert alias.json()["target"] == listed["call:1"]["key"]


async def test_what_is_stale_here_may_be_newer_at_another(
    larder: StartLarder, origin: Origin, shared: str, clock: ManualClock
) -> None:
    fields = {"Cache-Control": "max-age=60", "ETag": '"1"'}
    origin.reply(answer("old", fields=fields), answer("new", fields=fields))
    pair = await both(larder, shared, "", clock=clock)
    await pair.one.get("/db/a")
    await pair.put(1)
    assert await asked(pair.two, "/db/a", "/db/a") == ["HIT", "HIT"]
    clock.advance(61)
    await pair.one.get("/db/a")
    await pair.put(2)
    told = await pair.two.get("/db/a")
    assert (told["X-Cache"], told.body, len(origin.requests)) == ("HIT", b"new", 2)
