"""The guard of the admin API: token, DNS rebinding, pages of other origins."""

from __future__ import annotations

import pytest

from proxy.edges.guard import Guard
from proxy.edges.problem import ApiError

TOKEN = "0123456789abcdef"
OPEN = Guard("127.0.0.1")
CLOSED = Guard("0.0.0.0", TOKEN)
LOCAL = {"Host": "127.0.0.1:8081"}


def _status(guard: Guard, headers: dict[str, str], method: str = "GET", **how: bool) -> int:
    """The status of the refusal; 200 for none."""
    has_body, public = how.get("has_body", False), how.get("public", False)
    try:
        guard.check(method, headers, has_body=has_body, public=public)
    except ApiError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8081", 200),
        ("10.1.2.3:8081", 200),
        ("[::1]:8081", 200),
        ("localhost:8081", 200),
        ("LOCALHOST", 200),
        ("evil.example:8081", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_without_a_token_a_name_that_is_not_ours_is_rebinding(host: str, status: int) -> None:
    assert _status(OPEN, {"Host": host}) == status


def test_the_host_it_listens_on_is_ours() -> None:
    assert _status(Guard("larder.internal"), {"Host": "larder.internal:8081"}) == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer", 401),
        ("Bearer \u00e9\u20ac", 401),
        ("", 401),
    ],
)
def test_token(authorization: str, status: int) -> None:
    headers = {"Host": "any.example", "Authorization": authorization}
    assert _status(CLOSED, headers) == status


def test_a_refused_token_is_asked_for_and_not_told() -> None:
    with pytest.raises(ApiError) as raised:
        CLOSED.check("GET", {"Host": "h"}, has_body=False, public=False)
    assert raised.value.headers == {"WWW-Authenticate": 'Bearer realm="larder admin"'}
    assert TOKEN not in raised.value.render().decode()
    assert TOKEN not in repr(CLOSED)


def test_health_needs_no_token() -> None:
    assert _status(CLOSED, {"Host": "any.example"}, public=True) == 200


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8081"}, 200),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://evil127.0.0.1:8081"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("guard", [OPEN, CLOSED])
def test_pages_of_other_origins(guard: Guard, extra: dict[str, str], status: int) -> None:
    headers = {**LOCAL, "Authorization": f"Bearer {TOKEN}", **extra}
    assert _status(guard, headers, "POST") == status


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_a_body_says_it_is_json(content_type: str, status: int) -> None:
    headers = {**LOCAL, "Content-Type": content_type}
    assert _status(OPEN, headers, "POST", has_body=True) == status
    assert _status(OPEN, headers, "GET", has_body=True) == 200
