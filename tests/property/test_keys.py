"""Laws of the cache key: different requests never share one; what does not matter is not in it."""

from __future__ import annotations

import json
import posixpath
from decimal import Decimal
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from proxy.rules.targets import climbs_out, has_dot_segments, normal_target
from proxy.rules.values import MISSING, canonical, canonical_in_pieces, delimit, parse_json
from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import digest as digest_of

CONFIG = config_of("""
upstreams:
  api:
    url: http://up.test
    routes:
      - {name: template, match: POST /t, ttl: 1m, scope: shared, key: "{body.a}:{body.b}{body.c}"}
      - {name: parts, match: POST /p, ttl: 1m, scope: shared, key: {body: [a, b], headers: [x, y]}}
      - {name: whole, match: "POST /{rest:path}", ttl: 1m}
""")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(alphabet="abxy%41=&+.", max_size=6)
QUERIES = st.lists(NAMES, max_size=4).map("&".join)
TEXTS = st.text(alphabet="ab1:{},\x00é", max_size=5)


def digest(target: str, body: object = b"", **fields: str) -> bytes:
    asked = {"content-type": "application/json", **fields}
    return digest_of(CONFIG, request("POST", f"/api{target}", fields=asked, body=body))


def shuffled(value: object) -> object:
    """The same value with the members of every object the other way round."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def in_order(value: object) -> str:
    """The value told apart by type and by the order of lists, but not of members."""
    return json.dumps(value, sort_keys=True)


@given(VALUES)
def test_the_order_of_members_never_matters(value: object) -> None:
    assert digest("/w", json.dumps(value)) == digest("/w", json.dumps(shuffled(value), indent=1))


@given(VALUES, VALUES)
def test_different_bodies_never_share_a_key(left: object, right: object) -> None:
    same = digest("/w", json.dumps(left)) == digest("/w", json.dumps(right))
    assert same is (in_order(left) == in_order(right))


@given(QUERIES, QUERIES)
def test_different_queries_share_a_key_only_if_they_are_reordered(left: str, right: str) -> None:
    same = digest(f"/w?{left}") == digest(f"/w?{right}")
    assert not same or sorted(left.split("&")) == sorted(right.split("&"))


@given(st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS))
def test_values_of_a_template_cannot_run_together(
    left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    bodies = [dict(zip("abc", values, strict=True)) for values in (left, right)]
    assert (digest("/t", bodies[0]) == digest("/t", bodies[1])) is (left == right)


@given(st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES))
def test_parts_of_a_body_cannot_run_together(
    left: tuple[object, ...], right: tuple[object, ...]
) -> None:
    bodies = [json.dumps(dict(zip("ab", values, strict=True))) for values in (left, right)]
    same = digest("/p", bodies[0]) == digest("/p", bodies[1])
    assert same is (in_order(left) == in_order(right))


FIELDS = st.dictionaries(st.sampled_from("xy"), st.text(alphabet="ab,:", max_size=4))


@given(FIELDS, FIELDS)
def test_named_headers_cannot_run_together(left: dict[str, str], right: dict[str, str]) -> None:
    assert (digest("/p", {}, **left) == digest("/p", {}, **right)) is (left == right)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_delimited_parts_cannot_run_together(left: list[bytes], right: list[bytes]) -> None:
    assert (delimit(left) == delimit(right)) is (left == right)


@given(st.binary(max_size=30))
def test_any_bytes_are_json_or_not(text: bytes) -> None:
    value = parse_json(text)
    assert value is MISSING or canonical(value)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?(e-?[0-9]{1,3})?", fullmatch=True)


def canonical_number(text: str) -> bytes | str:
    """The bytes a number is keyed by; what is no JSON is keyed as it is."""
    value = parse_json(text.encode())
    return text if value is MISSING else canonical(value)


@given(NUMBERS, st.sampled_from("019"))
def test_different_numbers_never_share_a_key(left: str, last: str) -> None:
    right = left[:-1] + last
    same = canonical_number(left) == canonical_number(right)
    assert not same or Decimal(left) == Decimal(right)


@given(VALUES)
def test_a_large_value_is_keyed_like_a_small_one(value: object) -> None:
    parsed = parse_json(json.dumps(value).encode())
    assert parsed is not MISSING
    assert canonical_in_pieces(parsed) == canonical(parsed)


PATHS = st.lists(
    st.sampled_from(["a", "/", "\\", ".", "%2e", "%2F", "%5c", "%252e", ";", "%65", "é"]),
    max_size=9,
).map(lambda parts: "/" + "".join(parts))


@given(PATHS)
def test_one_spelling_of_a_target_is_stable_and_has_no_dot_segments_of_its_own(path: str) -> None:
    once = normal_target(path)
    assert normal_target(once) == once
    assert not {".", ".."} & set(once.split("/"))


@given(PATHS)
def test_no_server_leaves_the_base_path_by_what_goes_up(path: str) -> None:
    """Whichever of these it decodes: the path under the base must stay under the base."""
    once = unquote(path)
    readings = [path, once, unquote(once), *(p.replace("\\", "/") for p in (once, unquote(once)))]
    left = [r for r in readings if not posixpath.normpath(f"/base{r}/x").startswith("/base")]
    assert not left or climbs_out(path)
    assert not climbs_out(path) or has_dot_segments(path)
