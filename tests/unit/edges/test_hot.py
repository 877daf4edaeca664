"""A ready-made answer: its head at every moment, and until when it is that."""

from __future__ import annotations

import gc

import pytest

from proxy.decisions.delivery import client_fields
from proxy.edges.hot import Form, Held, Hot, form_of
from proxy.edges.wire import counted_head
from proxy.messages import StoredResponse
from proxy.outcomes import Outcome, Tier
from proxy.store.memory import Slot
from proxy.visit import Visit
from tests.support.build import FieldLines, request, stored
from tests.support.clock import NOW
from tests.support.records import hit

TRAPS = {
    "X-Percent": "100%(age)d %",
    "%d": "x",
    "Age": "17",
    "Cache-Status": "near; hit; ttl=59, other; ttl=60",
    "Date": "Fri, 15 Jan 2027 07:59:59 GMT",
}


def visit_at(held: StoredResponse, now: float, fields: FieldLines = ()) -> Visit:
    visit = Visit(request=request(fields=fields), began_at=now, began=0.0)
    visit.outcome, visit.tier, visit.status = Outcome.HIT, Tier.MEMORY, held.status
    visit.age_s, visit.ttl_s = held.age(now), held.ttl(now)
    return visit


def by_the_driver(held: StoredResponse, now: float) -> bytes:
    story = visit_at(held, now).story()
    fields = client_fields(None, held.status, held.fields, story, now)
    return counted_head(held.status, held.reason, fields, len(held.body))


def hot_of(
    held: StoredResponse, form: Form, visit: Visit, slot: Slot | None = None, body: bytes = b"x"
) -> Hot:
    kept = slot or Slot(held, 1, soft=False)
    return Hot(b"place", Held(kept, lambda _: None, body), held, form, visit, hit())


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(stored(), id="plain"),
        pytest.param(stored(fields=TRAPS, reason="100%"), id="traps"),
        pytest.param(stored(initial_age=3.4, lifetime=60.7), id="fractions"),
        pytest.param(stored(status=404, body=b""), id="empty"),
        pytest.param(stored(b"x" * 20_000), id="larger"),
    ],
)
def test_its_head_is_the_drivers_at_every_moment(held: StoredResponse) -> None:
    visit = visit_at(held, NOW)
    form = form_of(visit, held, (), NOW)
    assert form is not None
    hot = hot_of(held, form, visit)
    moment, renders = NOW, 0
    while moment < NOW + 12:
        if not hot.since <= moment < hot.until:
            assert hot.render(held, moment)
            renders += 1
        assert hot.head + hot.body == by_the_driver(held, moment) + held.body
        moment += 0.03125
    assert renders <= 12 * 3 + 3  # Age, ttl and Date turn once a second each


def test_nothing_is_made_of_what_is_stale() -> None:
    held = stored(lifetime=60.0)
    visit = visit_at(held, NOW)
    form = form_of(visit, held, (), NOW)
    assert form is not None
    hot = hot_of(held, form, visit)
    assert hot.render(held, NOW + 59.5)
    assert hot.until <= NOW + 60
    assert not hot.render(held, NOW + 60)


def test_a_clock_that_goes_back_makes_it_anew() -> None:
    held = stored()
    visit = visit_at(held, NOW)
    form = form_of(visit, held, (), NOW)
    assert form is not None
    hot = hot_of(held, form, visit)
    assert hot.render(held, NOW + 5.5)
    assert not hot.since <= NOW + 5.25 < hot.until


def test_it_ends_with_the_token_it_came_with() -> None:
    held = stored(lifetime=1e6)
    token = "e30.eyJleHAiOjE4MDAwMDAxMDAsIm5iZiI6MTc5OTk5OTk5MH0.x"  # NOW - 10 to NOW + 100
    visit = visit_at(held, NOW, {"Authorization": f"Bearer {token}"})
    form = form_of(visit, held, (), NOW)
    assert form is not None
    hot = hot_of(held, form, visit)
    assert hot.render(held, NOW + 99.5)
    assert not hot.render(held, NOW + 100)
    assert not hot.render(held, NOW - 10.5)


def test_edits_of_the_head_are_made_and_one_that_goes_by_the_clock_is_no_form() -> None:
    held = stored()
    visit = visit_at(held, NOW)
    form = form_of(visit, held, [lambda _, fields: fields.with_added("X-Own", "%d")], NOW)
    assert form is not None
    assert b"\r\nX-Own: %d\r\n" in form.at(NOW, 0.0, 60.0)
    numbers = iter("12")
    edit = form_of(visit, held, [lambda _, f: f.with_added("X-Own", next(numbers))], NOW)
    assert edit is None


def test_it_keeps_no_slot_alive() -> None:
    gone: list[bytes] = []
    slot = Slot(stored(), 1, soft=False)
    held = Held(slot, lambda ref: gone.append(ref.request), b"the request")
    assert held() is slot
    del slot
    gc.collect()
    assert (held(), gone) == (None, [b"the request"])
