"""Listings: filters, pages by key, and nothing secret in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import pytest

from proxy.edges import entries
from proxy.edges.problem import ApiError
from proxy.fields import Fields
from proxy.messages import StoredResponse, Variants
from proxy.outcomes import Tier
from proxy.store.entry_info import EntryInfo, Selection
from tests.support.rules import config_of

CONFIG = config_of("upstreams: {db: {url: https://db.example}}")
NOW = 1_000.0


def _stored(**changes: Any) -> StoredResponse:
    fields: dict[str, Any] = {
        "status": 200,
        "fields": Fields([("Content-Type", "application/json"), ("Set-Cookie", "id=hunter2")]),
        "body": b"12345",
        "request_time": NOW - 10,
        "response_time": NOW - 10,
        "lifetime": 60.0,
        "tags": ("*", "@route:db"),
        "route": "db",
        "url": "/x?api_key=hunter2",
        "head": "GET db/x",
    }
    return StoredResponse(**{**fields, **changes})


def _entry(number: int, **changes: Any) -> EntryInfo:
    return EntryInfo.of(number.to_bytes(32, "big"), _stored(**changes), Tier.MEMORY)


async def _listing(found: Iterable[EntryInfo]) -> AsyncIterator[EntryInfo]:
    for entry in found:
        yield entry


async def _page(found: Iterable[EntryInfo], **members: object) -> dict[str, Any]:
    return await entries.page(_listing(found), members, CONFIG, NOW, _hits)


async def _hits(keys: Collection[bytes]) -> dict[bytes, int | None]:
    return {key: int.from_bytes(key, "big") * 10 for key in keys}


async def test_pages_go_by_key_and_list_each_entry_once() -> None:
    found = [_entry(number) for number in (5, 3, 1, 4, 2)]
    keys: list[str] = []
    cursor: dict[str, object] = {}
    for size in (2, 2, 1):
        page = await _page(found, limit=2, **cursor)
        assert len(page["entries"]) == size
        keys += [entry["key"] for entry in page["entries"]]
        cursor = {"cursor": page["cursor"]}
    assert keys == [number.to_bytes(32, "big").hex() for number in (1, 2, 3, 4, 5)]
    assert cursor == {"cursor": None}


async def test_an_exact_page_has_no_next() -> None:
    page = await _page([_entry(1), _entry(2)], limit=2)
    assert page["cursor"] is None


async def test_a_long_listing_is_cut_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_BATCH", 4)
    page = await _page([_entry(number) for number in range(100, 0, -1)], limit=3)
    assert [int(entry["key"], 16) for entry in page["entries"]] == [1, 2, 3]
    assert page["cursor"] is not None


async def test_a_session_filters_by_its_digest() -> None:
    mine = CONFIG.session_tag("abc")
    found = [_entry(1, tags=("*", mine)), _entry(2)]
    page = await _page(found, session="abc")
    assert [int(entry["key"], 16) for entry in page["entries"]] == [1]


async def test_no_secret_in_a_listing() -> None:
    page = await _page([_entry(1, tags=("*", "@url:db /x?token=hunter2"))])
    assert "hunter2" not in str(page)
    assert page["entries"][0] == {
        "key": f"{1:064x}",
        "head": "GET db/x",
        "url": "/x?api_key=***",
        "route": "db",
        "provider": "",
        "tier": "memory",
        "kind": "response",
        "method": "GET",
        "status": 200,
        "body_bytes": 5,
        "ttl_s": 50.0,
        "expires_s": 50.0,
        "state": "fresh",
        "created_at": None,
        "cost": 0,
        "params": {},
        "hits": 10,
        "tags": ["*", "@url:db /x?token=***"],
    }


def test_an_entry_in_full_hides_credentials_and_has_no_body() -> None:
    said = entries.described(b"\0" * 32, _stored(), Tier.SHARED, NOW, soft=True)
    assert "hunter2" not in str(said)
    assert (said["age_s"], said["lifetime_s"], said["soft_purged"]) == (10.0, 60.0, True)
    assert ["Set-Cookie", "***"] in said["fields"]  # type: ignore[operator]


def test_a_variants_entry_names_what_selects() -> None:
    variants = Variants(names=("accept-language",), expires_at=NOW + 5)
    said = entries.described(b"\0" * 32, variants, Tier.MEMORY, NOW, soft=False)
    assert (said["kind"], said["selecting"]) == ("variants", ["accept-language"])


def test_where_it_is_from_what_it_cost_and_what_was_asked() -> None:
    said = entries.described(
        b"\0" * 32,
        _stored(
            tags=("*", "@upstream:suno", "@session:abc"),
            cost=20_500_000.0,
            created_at=NOW - 60,
            params=(("body.model", "v4"), ("body.note", "Bearer hunter2hunter2")),
        ),
        Tier.MEMORY,
        NOW,
        soft=False,
    )
    assert (said["provider"], said["cost"], said["created_at"]) == ("suno", 20.5, NOW - 60)
    assert said["params"] == {"body.model": "v4", "body.note": "Bearer ***"}
    assert said["session"] == "@session:abc"


@pytest.mark.parametrize(
    ("lifetime", "soft", "state"),
    [(60.0, False, "fresh"), (5.0, False, "stale"), (60.0, True, "soft-purged")],
)
def test_the_state_of_an_entry(lifetime: float, soft: bool, state: str) -> None:
    entry = _stored(lifetime=lifetime)
    said = entries.described(b"\0" * 32, entry, Tier.MEMORY, NOW, soft=soft)
    assert said["state"] == state


async def test_a_key_is_found_by_how_it_begins() -> None:
    keys = [b"a" * 32, b"a" * 31 + b"b", b"b" * 32]
    found = [EntryInfo.of(key, _stored(), Tier.MEMORY) for key in keys]
    assert await entries.find_key((b"b" * 8).hex(), _listing(found)) == b"b" * 32
    assert await entries.find_key((b"c" * 32).hex(), _listing(found)) == b"c" * 32
    with pytest.raises(ApiError, match="several"):
        await entries.find_key((b"a" * 8).hex(), _listing(found))
    with pytest.raises(ApiError, match="nothing is stored"):
        await entries.find_key((b"c" * 8).hex(), _listing(found))
    with pytest.raises(ApiError, match="64 hexadecimal"):
        await entries.find_key("x" * 20, _listing(found))


def test_filters_a_store_understands() -> None:
    members = {"prefix": "GET", "tag": "a", "route": "r", "session": "s", "limit": 5}
    assert entries.selection(members) == Selection(prefix="GET", tag="a", route="r")


@pytest.mark.parametrize("text", ["", "xy", "ab", "0" * 63, "0" * 66])
def test_a_wrong_key_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="64 hexadecimal"):
        entries.read_key(text)
