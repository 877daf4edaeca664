"""What an answer proves, what a repeat is told, under which names a request is the first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.decisions.claim import (
    Done,
    InDoubt,
    State,
)
from proxy.decisions.deduping import (
    MAX_BODY,
    Decline,
    Name,
    Replay,
    SendAgain,
    Verdict,
    Wait,
    idempotency_key,
    names_of,
    seconds,
    settled,
    told,
)
from proxy.errors import (
    ClientError,
    LarderError,
    UpstreamConnectError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from proxy.fields import Fields
from proxy.messages import Request
from proxy.outcomes import Bypass, Refusal
from proxy.rules.dedupe import Dedupe
from tests.support.build import request, response
from tests.support.claims import DONE, DOUBT, KEPT, SENT
from tests.support.clock import NOW
from tests.unit.rules.support import identity, matched, route_config

RULE = Dedupe(window=600.0)
ROUTE = matched(route_config("dedupe: 10m"), request("POST", "/api/a")).route
NAME, CLIENTS_NAME = Name("k:1"), Name("i:1", "f")
IN_DOUBT = Decline(409, Refusal.IN_DOUBT, 600)


# -- what an answer proves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Done) for status in (200, 201, 202, 204, 301, 303, 307)),
        *((status, None) for status in (400, 401, 403, 404, 410, 412, 413, 415, 422, 425, 428)),
        *((status, None) for status in (429, 431, 451)),
        *((status, InDoubt) for status in (101, 408, 409, 420, 460, 499)),
        *((status, InDoubt) for status in (500, 501, 502, 503, 504, 599)),
    ],
)
def test_what_a_status_proves(status: int, expected: type[State] | None) -> None:
    outcome = settled(SENT, ROUTE, response(status), b"", None)
    assert type(outcome) is (type(None) if expected is None else expected)


@pytest.mark.parametrize(
    ("error", "acted"),
    [
        (UpstreamConnectError("no"), False),
        (ClientError(400, "a line break in a field"), False),
        (UpstreamTimeoutError("late"), True),
        (UpstreamProtocolError("broken"), True),
    ],
    ids=repr,
)
def test_what_a_call_without_an_answer_proves(error: LarderError, acted: bool) -> None:
    assert settled(SENT, ROUTE, None, None, error) == (DOUBT if acted else None)


@pytest.mark.parametrize(("status", "expected"), [(201, DOUBT), (400, None), (500, DOUBT)])
def test_a_broken_answer_proves_what_its_head_refuses(status: int, expected: State | None) -> None:
    error = UpstreamProtocolError("broken")
    assert settled(SENT, ROUTE, response(status), None, error) == expected


def test_what_is_kept_of_an_answer_is_fit_for_another_time() -> None:
    fields = {
        "Set-Cookie": "sid=secret",
        "Connection": "close",
        "Location": "/sms/1",
        "X-RateLimit-Remaining": "3",
        "Content-Length": "2",
    }
    outcome = settled(SENT, ROUTE, response(201, fields=fields), b"{}", None)
    assert isinstance(outcome, Done)
    assert outcome.answer is not None
    assert outcome.answer.fields.names() == {"location", "date"}
    assert (outcome.owner, outcome.until, outcome.fingerprint) == ("me", SENT.until, "f")


@pytest.mark.parametrize("body", [None, b"x" * (MAX_BODY + 1)], ids=["not-at-hand", "too-long"])
def test_a_body_that_cannot_be_kept(body: bytes | None) -> None:
    outcome = settled(SENT, ROUTE, response(200), body, None)
    assert isinstance(outcome, Done)
    assert outcome.answer is None


# -- what a repeat is told ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "now", "refusing", "forwarding"),
    [
        (SENT, NOW, Wait(), Wait()),
        (SENT, NOW + 60, Decline(409, Refusal.IN_DOUBT, 540), SendAgain()),
        (DOUBT, NOW, IN_DOUBT, SendAgain()),
        (DONE, NOW, Replay(KEPT), Replay(KEPT)),
        (
            Done(owner="me", until=NOW + 5.5, answer=None),
            NOW,
            *[Decline(409, Refusal.ANSWER_NOT_KEPT, 6)] * 2,
        ),
        (None, NOW, IN_DOUBT, IN_DOUBT),
        (DONE, NOW + 600, SendAgain(), SendAgain()),
        (DOUBT, NOW + 600, SendAgain(), SendAgain()),
        (SENT, NOW + 600, SendAgain(), SendAgain()),
        (replace(SENT, deadline=NOW + 900), NOW + 600, Wait(), Wait()),
    ],
    ids=[
        *("sent", "lost", "doubt", "done", "done-without-answer", "unreadable"),
        *("over", "over-in-doubt", "over-lost", "over-but-under-way"),
    ],
)
def test_what_a_repeat_is_told(
    state: State | None, now: float, refusing: Verdict, forwarding: Verdict
) -> None:
    assert told(state, NAME, RULE, now) == refusing
    assert told(state, NAME, Dedupe(window=600.0, forward_in_doubt=True), now) == forwarding


@pytest.mark.parametrize("state", [SENT, DOUBT, DONE])
def test_a_name_the_client_gave_is_of_one_request(state: State) -> None:
    other = Name("i:1", "g")
    assert told(state, other, RULE, NOW) == Decline(422, Refusal.IDEMPOTENCY_KEY_REUSED)
    assert told(state, CLIENTS_NAME, RULE, NOW) == told(state, NAME, RULE, NOW)


@pytest.mark.parametrize(("left", "said"), [(-5.0, 1), (0.0, 1), (0.2, 1), (1.0, 1), (59.1, 60)])
def test_retry_after_is_whole_seconds_and_never_none(left: float, said: int) -> None:
    assert seconds(left) == said


# -- names ----------------------------------------------------------------------------------------

BAD = Decline(400, Refusal.BAD_IDEMPOTENCY_KEY)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], None),
        (['"a"'], "a"),
        (["a"], "a"),
        ([" a "], "a"),
        (['"a";p=1'], "a"),
        ([r'"a\"b"'], 'a"b'),
        (["8e03978e-40d5-43e8-bc93-6894a57f9324"], "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (["x" * 256], "x" * 256),
        *(([bad], BAD) for bad in ("", '""', "a b", '"a', ":YQ==:", "?1 2", '%"a"', "x" * 257)),
        (["a", "b"], BAD),
        (['"a"', '"b"'], BAD),
    ],
)
def test_what_idempotency_key_says(values: list[str], said: str | Decline | None) -> None:
    assert idempotency_key(Fields(("Idempotency-Key", value) for value in values)) == said


def names(
    asked: Request, route: str = "dedupe: 10m", **more: str
) -> tuple[Name, ...] | Bypass | Decline:
    config = route_config(route, **more)
    return names_of(matched(config, asked), identity(config, asked))


def post(body: object = "{}", target: str = "/api/a", **fields: str) -> Request:
    return request(
        "POST", target, fields={k.replace("_", "-"): v for k, v in fields.items()}, body=body
    )


def test_a_request_has_the_routes_name_and_its_clients() -> None:
    assert [name.key[:2] for name in names(post())] == ["k:"]  # type: ignore[union-attr]
    both = names(post(Idempotency_Key="1"))
    assert isinstance(both, tuple)
    assert [(name.key[:2], bool(name.fingerprint)) for name in both] == [
        ("i:", True),
        ("k:", False),
    ]


@pytest.mark.parametrize(
    ("other", "same_key", "same_fingerprint"),
    [
        (post(Idempotency_Key='"1"'), True, True),
        (post(Idempotency_Key="1", User_Agent="x"), True, True),
        (post("{} ", Idempotency_Key="1"), True, False),
        (post(target="/api/a?x", Idempotency_Key="1"), True, False),
        (post(Idempotency_Key="1", Content_Type="text/plain"), True, False),
        (post(Idempotency_Key="2"), False, True),
        (post(Idempotency_Key="1", Authorization="Bearer b"), False, True),
    ],
)
def test_what_a_name_given_by_the_client_tells_apart(
    other: Request,
    same_key: bool,
    same_fingerprint: bool,
) -> None:
    first, second = names(post(Idempotency_Key="1")), names(other)
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert (first[0].key == second[0].key) is same_key
    assert (first[0].fingerprint == second[0].fingerprint) is same_fingerprint


def test_without_any_name_the_reason_is_the_keys() -> None:
    keyed = "key: '{body.lead}'\ndedupe: 10m"
    assert names(post(), keyed) is Bypass.MISSING_SELECTOR
    found = names(post(Idempotency_Key="1"), keyed)
    assert isinstance(found, tuple)
    assert [name.key[:2] for name in found] == ["i:"]
    assert names(post(Idempotency_Key="a b"), keyed) == BAD


@pytest.mark.parametrize(
    "asked",
    [
        post(X_HTTP_Method_Override="DELETE"),
        post(X_Original_URL="/b", Idempotency_Key="1"),
        post(target="/api/../a"),
        post(target="/api/%2e%2e", Idempotency_Key="1"),
    ],
)
def test_what_may_mean_another_request_has_no_name(asked: Request) -> None:
    """Neither its own name nor its client's says what would be sent."""
    assert names(asked, match="POST /{any:path}") == Decline(422, Refusal.MISLEADING)


def test_no_name_of_the_client_reaches_over_a_scope() -> None:
    """Without its session a request of a route scoped to sessions has no partition."""
    scoped = "scope: [header.x-org]\ndedupe: 10m"
    assert names(post(Idempotency_Key="1"), scoped) is Bypass.MISSING_SELECTOR


def test_no_secret_is_in_a_name() -> None:
    for name in names(post(Idempotency_Key="s3cret", Authorization="Bearer s3cret")):  # type: ignore[union-attr]
        assert "s3cret" not in f"{name}"
