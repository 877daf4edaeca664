"""Memory holds what is equal once, and counts what it holds: checked on real objects."""

from __future__ import annotations

import tracemalloc

import pytest

from proxy.fields import Fields
from proxy.messages import Stored, StoredResponse, Variants
from proxy.store.base import Record
from proxy.store.memory import MemoryStore
from proxy.store.sharing import Sharing
from tests.support.build import stored

JSON = "application/json"
COMMON = (("Content-Type", JSON), ("Cache-Control", "max-age=60"), ("Server", "nginx"))


def fresh(text: str) -> str:
    """Equal, and an object of its own, as what comes off a socket is."""
    return text.encode().decode()


def answer(number: int, body: int = 1024, *, common: bool = True) -> StoredResponse:
    own = "" if common else str(number)
    lines = [(fresh(name), fresh(value) + own) for name, value in COMMON]
    lines += [("ETag", f'"{number:08x}"'), ("X-Request-Id", f"{number:032x}")]
    url = f"/api/v1/scenes/{number}?detail=full"
    tags = (fresh("@route:scenes"), f"@url:db {url}", f"scene-{number}")
    return stored(
        bytes([number % 251]) * body,
        fields=lines,
        tags=("*", *tags),
        url=url,
        head=f"scenes:{number}",
        route=fresh("scenes"),
        request_time=1e9 + number,
        response_time=1e9 + number + 0.5,
        born=(number // 100, 0),
        lifetime=1e6,
    )


def test_what_is_admitted_is_equal_and_its_common_parts_are_the_same_objects() -> None:
    sharing = Sharing()
    one, _ = sharing.admit(answer(1))
    two, _ = sharing.admit(answer(2))
    assert one == answer(1)
    assert isinstance(one, StoredResponse)
    assert isinstance(two, StoredResponse)
    assert one.fields.items[0] is two.fields.items[0]
    assert one.tags[1] is two.tags[1]
    assert one.route is two.route


def test_an_entry_of_common_parts_is_counted_for_less() -> None:
    sharing = Sharing()
    _, first = sharing.admit(answer(1))
    _, second = sharing.admit(answer(2))
    assert second < first


ENTRIES = [
    pytest.param(stored(b""), id="empty"),
    pytest.param(stored(b"x" * 100_000, reason=""), id="large"),
    pytest.param(stored(fields=[("Set-Cookie", "c" * 5000)]), id="a line too long to share"),
    pytest.param(stored(fields=[("A", "1"), ("a", "2"), ("A", "1")]), id="repeated lines"),
    pytest.param(
        Variants(names=("accept",), expires_at=1.0, tags=("*", "t"), url="/" * 900), id="variants"
    ),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_nothing_is_changed_and_no_text_is_free(entry: Stored) -> None:
    admitted, size = Sharing().admit(entry)
    assert admitted == entry
    texts = [entry.url, *entry.tags]
    if isinstance(entry, StoredResponse):
        assert isinstance(admitted, StoredResponse)
        assert admitted.fields.items == entry.fields.items
        assert size > len(entry.body)
        texts += [value for _, value in {*entry.fields}]
    assert size > sum(map(len, texts))


def test_the_table_is_bounded() -> None:
    sharing = Sharing(max_parts=10)
    for number in range(50):
        admitted, _ = sharing.admit(answer(number))
        assert admitted == answer(number)
    assert len(sharing._parts) <= 10  # noqa: SLF001  what cannot be seen from outside


@pytest.mark.slow
@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("body", [0, 1024])
def test_what_is_counted_is_what_is_taken(body: int, common: bool) -> None:
    """Within a tenth, once every answer has been asked for a field."""
    entries, number = MemoryStore(max_size=1 << 30), 3000
    for warm in range(300):
        entries.place(b"w%31d" % warm, Record(answer(warm, body, common=common)))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    counted = -(entries.status().size_bytes or 0)
    for n in range(number):
        entries.place(b"k%31d" % n, Record(answer(1000 + n, body, common=common)))
    for n in range(number):
        found = entries.look(b"k%31d" % n, 0.0)
        assert found is not None
        assert isinstance(found.entry, StoredResponse)
        assert found.entry.fields.get("etag")
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted += entries.status().size_bytes or 0
    assert 0.9 < taken / counted < 1.1, (taken // number, counted // number)


def test_fields_are_rebuilt_without_the_index_of_the_exchange() -> None:
    """The exchange asked the answer for fields; what that built is not kept with it."""
    fields = Fields(COMMON)
    assert fields.get("server") == "nginx"
    admitted, _ = Sharing().admit(stored(fields=fields))
    assert isinstance(admitted, StoredResponse)
    assert admitted.fields is not fields
    assert admitted.fields == fields
