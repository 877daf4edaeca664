"""What `explain` tells of a route with `dedupe`, for every state a claim can be in."""

from __future__ import annotations

import pytest

from proxy.decisions.claim import CLAIMS, Done, InDoubt, Kept, Sent, State, written
from proxy.decisions.deduping import names_of
from proxy.edges.explain_dedupe import dedupe_listed, dedupe_planned
from proxy.errors import StoreError
from proxy.fields import Fields
from proxy.identifying import identity_of
from proxy.rules.dedupe import Dedupe
from proxy.store.memory_notes import MemoryNotes
from tests.support.build import FieldLines, request
from tests.support.clock import NOW
from tests.unit.rules.support import matched, route_config

KEPT = Kept(status=201, reason="", fields=Fields(), body=b"", at=NOW)
SENT = Sent(owner="me", until=NOW + 600, deadline=NOW + 60)
DOUBT = InDoubt(owner="me", until=NOW + 60)
ROUTE = "key: 'sms:{body.lead}'\ndedupe: %s"
REFUSING, FORWARDING = (
    ROUTE % f"{{window: 10m, when_store_down: {word}, in_doubt: {word}, unkeyed: {word}}}"
    for word in ("refuse", "forward")
)


class Down(MemoryNotes):
    """Notes out of reach."""

    async def get(self, space: str, key: str) -> bytes | None:
        raise StoreError(f"{space}/{key}")


async def planned(
    route: str,
    state: State | None = None,
    body: str = '{"lead": 7}',
    fields: FieldLines = (),
    notes: MemoryNotes | None = None,
) -> dict[str, object]:
    """The plan for a request whose last name has this claim, without its sentence."""
    match = matched(route_config(route), request("POST", "/api/a", fields=fields, body=body))
    notes, rule = notes or MemoryNotes(), match.route.dedupe
    names = names_of(match, identity_of(match))
    assert rule is not None
    if state is not None:
        assert isinstance(names, tuple)
        await notes.put(CLAIMS, names[-1].key, written(state), 60)
    plan = await dedupe_planned(notes, match, rule, NOW)
    plan.pop("sentence", None)
    return plan


IN_DOUBT = {"do": "refuse", "status": 409, "reason": "in-doubt", "retry_after_s": 60}


@pytest.mark.parametrize(
    ("route", "state", "plan"),
    [
        (REFUSING, None, {"do": "send"}),
        (REFUSING, SENT, {"do": "wait"}),
        (REFUSING, DOUBT, IN_DOUBT),
        (FORWARDING, DOUBT, {"do": "send", "reason": "in-doubt"}),
        (
            REFUSING,
            Done(owner="me", until=NOW + 60, answer=KEPT),
            {"do": "replay", "reason": "deduped"},
        ),
        (
            REFUSING,
            Done(owner="me", until=NOW + 60, answer=None),
            {**IN_DOUBT, "reason": "answer-not-kept"},
        ),
    ],
)
async def test_what_a_claim_decides(
    route: str, state: State | None, plan: dict[str, object]
) -> None:
    assert await planned(route, state) == plan


async def test_a_claim_under_any_of_its_names_decides() -> None:
    assert await planned(REFUSING, SENT, fields={"Idempotency-Key": "a"}) == {"do": "wait"}


async def test_a_bad_name_is_refused() -> None:
    said = await planned(REFUSING, fields={"Idempotency-Key": "a b"})
    assert said == {"do": "refuse", "status": 400, "reason": "bad-key", "retry_after_s": None}


@pytest.mark.parametrize(("route", "do"), [(REFUSING, "refuse"), (FORWARDING, "send")])
async def test_what_the_rule_says_where_nothing_can_be_known(route: str, do: str) -> None:
    assert await planned(route, body="{}") == {"do": do, "reason": "missing-selector"}
    assert await planned(route, notes=Down()) == {"do": do, "reason": "store-down"}


def test_the_rule_is_told_in_its_own_words() -> None:
    assert dedupe_listed(Dedupe(window=600.0)) == {
        "window_s": 600.0,
        "when_store_down": "forward",
        "in_doubt": "refuse",
        "unkeyed": "forward",
    }
