"""What is kept of an answer says the same as the answer, and takes less."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from proxy.layout import NOTHING_SELDOM, Common, Seldom
from proxy.messages import Part, StoredResponse
from tests.support.build import stored
from tests.support.clock import NOW

BENCH = ("*", "@upstream:bench", "@route:bench", "@url:bench /a?b=1")
USUAL: dict[str, Any] = {
    "tags": BENCH,
    "url": "/a?b=1",
    "head": "GET bench/a?b=1",
    "created_at": NOW,
}


def usual(**changes: Any) -> StoredResponse:
    return stored(**{**USUAL, **changes})


def itself(part: object) -> object:
    return part


ANSWERS = {
    "usual": usual(),
    "nothing": stored(),
    "a tag more": usual(tags=(*BENCH, "scene-1", "@group:bench:a")),
    "no tag holds the URL": usual(tags=("*", "scene-1")),
    "no tag at all": usual(tags=()),
    "only the tag of the URL": usual(tags=BENCH[3:]),
    "an earlier tag ends like the URL": usual(tags=("x/a?b=1", *BENCH)),
    "a tag is the URL": usual(tags=("/a?b=1",)),
    "no URL": usual(url=""),
    "a head of its own": usual(head="scene:1"),
    "a head is the URL": usual(head="/a?b=1"),
    "no head": usual(head=""),
    "freshened": usual(created_at=NOW - 5),
    "since an unknown time": usual(created_at=0.0),
    "a part": usual(part=Part(0, 1)),
    "with what few have": usual(
        validators=(("ETag", '"1"'),), aliases=(b"k",), cost=1.5, params=(("a", "b"),), learned=2.0
    ),
    "of another route": usual(status=404, reason="No", route="other", method="POST", keep=9.0),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_kept_equals_what_came(answer: StoredResponse) -> None:
    kept = answer.kept(answer.fields, itself)  # type: ignore[arg-type]  # any will do
    assert kept == answer
    for field in fields(answer):
        assert getattr(kept, field.name) == getattr(answer, field.name)
    again = kept.kept(kept.fields, itself)  # type: ignore[arg-type]
    assert (again, again.common, again.seldom) == (answer, kept.common, kept.seldom)
    assert replace(kept, body=b"other") == replace(answer, body=b"other")


def test_usual_answers_of_a_route_have_all_in_common_but_one_tag() -> None:
    parts: dict[object, object] = {}
    one, other = (
        usual(url=url, tags=(*BENCH[:3], f"@url:bench {url}"), head=f"GET bench{url}")
        for url in ("/1", "/2")
    )

    def share(part: object) -> object:
        return parts.setdefault(part, part)

    kept = [answer.kept(answer.fields, share) for answer in (one, other)]  # type: ignore[arg-type]
    assert kept[0].common is kept[1].common
    assert kept[0].common.tags == BENCH[:3]
    assert kept[0].seldom is kept[1].seldom is NOTHING_SELDOM
    assert [answer.own_tags for answer in kept] == ["@url:bench /1", "@url:bench /2"]
    assert [answer.url for answer in kept] == ["/1", "/2"]
    assert sys.getsizeof(kept[0]) <= 120


def test_every_attribute_is_a_slot_or_has_its_place() -> None:
    names = {field.name for field in fields(StoredResponse)}
    assert {*Common._fields, *Seldom._fields} - {"url_from", "before_url"} <= names


def test_who_has_nothing_seldom_shares_that() -> None:
    assert NOTHING_SELDOM.is_nothing
    assert not Seldom(cost=1.0).is_nothing
