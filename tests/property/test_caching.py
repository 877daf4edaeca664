"""Laws of proxy/caching that hold for whatever comes over the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.caching.cache_status import append, render
from proxy.caching.dates import format_http_date, parse_http_date
from proxy.caching.directives import parse_cache_control, request_directives
from proxy.caching.entity_tags import parse_tag, parse_tags
from proxy.caching.forwarding import forwarded_for, hops_left, times_passed
from proxy.caching.freshness import corrected_initial_age, freshness_lifetime, may_reuse
from proxy.caching.groups import groups, groups_invalidated
from proxy.caching.hop_by_hop import end_to_end
from proxy.caching.invalidation import urls_invalidated
from proxy.caching.preconditions import not_modified_fields, precondition
from proxy.caching.ranges import parse_range, partial
from proxy.caching.storability import may_store, stored_fields
from proxy.caching.structured import parse_dictionary, parse_list, string
from proxy.caching.syntax import MAX_DELTA, delta_seconds, quote, split_list, unquote
from proxy.caching.targeted import response_directives
from proxy.caching.validation import conditional_fields, freshen, head_freshens, is_about
from proxy.caching.vary import select, selecting_names
from proxy.fields import Fields
from proxy.messages import Request, Response, StoredResponse
from proxy.outcomes import Forward
from tests.support.build import request, stored
from tests.support.clock import NOW

ANY_TEXT = st.text()
WIRE_TEXT = st.text(st.characters(max_codepoint=255), max_size=40)

# Pieces that fields are made of, put together rightly and wrongly.
PIECES = st.sampled_from(
    [
        *("max-age", "s-maxage", "no-cache", "no-store", "private", "public", "must-revalidate"),
        *("stale-while-revalidate", "stale-if-error", "immutable", "must-understand", "max-stale"),
        *("=", ",", ", ", ";", " ", "\t", '"', "\\", "*", "-", "0", "1", "60", "9" * 30, "W/"),
        *("bytes", "gzip", "en", "q", "?1", "@", ":", "(", ")", "%", "GMT", "a", "/", "http://["),
        *("Thu, 18 Aug 2050 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 GMT", "\x00", "\u00e9"),
    ]
)
VALUES = st.one_of(st.lists(PIECES, max_size=12).map("".join), WIRE_TEXT)
NAMES = st.sampled_from(
    [
        *("Cache-Control", "CDN-Cache-Control", "Larder-Cache-Control", "Pragma", "Expires"),
        *("Date", "Age", "Last-Modified", "ETag", "Vary", "Set-Cookie", "Connection"),
        *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"),
        *("Range", "Content-Location", "Location", "Accept-Encoding", "Accept-Language", "Cookie"),
        *("Authorization", "Via", "Forwarded", "X-Forwarded-For", "Cache-Status", "Max-Forwards"),
        *("Cache-Groups", "Cache-Group-Invalidation", "Surrogate-Key", "Cache-Tag", "X-Other"),
        *("Content-Length", "Content-Type"),
    ]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(Fields)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "FOO"])
TIMES = st.floats(NOW - 1e9, NOW + 1e9)
STATUSES = st.sampled_from([100, 200, 204, 206, 302, 304, 404, 412, 429, 503, 599, 999])
REQUESTS = st.builds(request, METHODS, fields=FIELDS)
RESPONSES = st.builds(
    Response, status=STATUSES, fields=FIELDS, request_time=TIMES, response_time=TIMES
)


def parse_date_now(text: str) -> float | None:
    return parse_http_date(text, NOW)


def parse_range_of_100(text: str) -> object:
    return parse_range(text, 100)


PARSERS: tuple[Callable[[str], object], ...] = (
    *(split_list, unquote, quote, delta_seconds, parse_list, parse_dictionary, string),
    *(parse_tag, parse_tags, parse_date_now, parse_range_of_100),
)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.one_of(ANY_TEXT, VALUES))
def test_no_parser_raises(parse: Callable[[str], object], text: str) -> None:
    parse(text)


@given(asked=REQUESTS, answer=RESPONSES)
def test_no_judgement_raises(asked: Request, answer: Response) -> None:
    directives = response_directives(answer.fields)
    may_store(asked, answer, directives)
    freshen(stored_fields(answer, directives), answer)
    is_about(asked.fields, answer.fields)
    head_freshens(answer.fields, 6, asked.fields)
    conditional_fields(answer.fields)
    precondition(asked, answer.status, answer.fields, NOW)
    not_modified_fields(answer.fields)
    partial(asked, answer.fields, b"0123456789", NOW)
    urls_invalidated(asked.method, "https://api.test/a", answer)
    groups(answer.fields)
    groups_invalidated(asked.method, answer.fields)
    forwarded_for(asked.peer, "http", asked.authority)
    times_passed(asked.fields, "larder")
    hops_left(asked)


@given(asked=REQUESTS, answer=RESPONSES)
def test_ages_are_never_negative_and_lifetimes_stay_in_bounds(
    asked: Request, answer: Response
) -> None:
    assert corrected_initial_age(answer) >= 0
    lifetime = freshness_lifetime(asked, answer, response_directives(answer.fields))
    assert lifetime is None or 0 <= lifetime.seconds <= MAX_DELTA


DELTAS = st.one_of(
    st.integers(0, 2 * MAX_DELTA).map(str), st.sampled_from(["", "x", "-1", "1.5", '"7"', "007"])
)


@given(max_ages=st.lists(DELTAS, max_size=3), s_maxages=st.lists(DELTAS, max_size=3))
def test_freshness_never_exceeds_what_any_deciding_directive_allowed(
    max_ages: list[str], s_maxages: list[str]
) -> None:
    said = [f"max-age={value}" for value in max_ages] + [f"s-maxage={v}" for v in s_maxages]
    answer = Response(
        status=200,
        fields=Fields(("Cache-Control", text) for text in said),
        request_time=NOW,
        response_time=NOW,
    )
    lifetime = freshness_lifetime(request(), answer, parse_cache_control(answer.fields))
    allowed = [delta_seconds(value.strip('"')) or 0 for value in s_maxages or max_ages]
    assert (lifetime is None) is (not said)
    assert lifetime is None or lifetime.seconds <= min(allowed)


@given(fields=FIELDS, quiet=st.permutations(["no-store", "private", "no-cache"]))
def test_nothing_else_in_the_field_can_hide_a_restriction(fields: Fields, quiet: list[str]) -> None:
    """Put before everything else, on a line of its own, it holds."""
    restricted = Fields([("Cache-Control", word) for word in quiet] + list(fields))
    directives = parse_cache_control(restricted)
    assert directives.no_store
    assert directives.private
    assert directives.no_cache


@given(age=st.floats(0, 1e6), lifetime=st.floats(0, 1e6), later=st.floats(0, 1e6), fields=FIELDS)
def test_without_leave_from_the_client_nothing_stale_is_reused(
    age: float, lifetime: float, later: float, fields: Fields
) -> None:
    entry: StoredResponse = stored(initial_age=age, lifetime=lifetime)
    asked = request_directives(fields)
    reused = may_reuse(entry, asked, NOW + later)
    assert not reused or entry.ttl(NOW + later) > 0 or asked.max_stale is not None


@given(epoch=st.integers(-(10**10), 10**11))
def test_every_date_written_is_read_back(epoch: int) -> None:
    assert parse_http_date(format_http_date(epoch), NOW) == epoch


@given(text=WIRE_TEXT)
def test_what_is_quoted_is_unquoted(text: str) -> None:
    assert unquote(quote(text)) == text


@given(fields=FIELDS)
def test_selecting_is_stable(fields: Fields) -> None:
    """Selecting from normalised values changes nothing more."""
    names = selecting_names(fields) or ("accept-encoding", "accept-language", "cookie", "range")
    chosen = select(names, fields)
    again = Fields((name, value) for name, value in chosen if value is not None)
    assert select(names, again) == chosen
    assert [name for name, value in chosen if value is None] == [
        name for name in sorted(names) if name not in fields
    ]


@given(fields=FIELDS)
def test_end_to_end_only_removes(fields: Fields) -> None:
    kept = end_to_end(fields)
    assert end_to_end(kept) == kept
    assert [item for item in fields if item in kept.items] == list(kept)


@given(key=ANY_TEXT, detail=ANY_TEXT, ttl=st.floats(-1e9, 1e9), how=st.sampled_from(Forward))
@example(key='"\\', detail='"; hit', ttl=-0.5, how=Forward.MISS)
def test_cache_status_is_always_one_well_formed_member(
    key: str, detail: str, ttl: float, how: Forward
) -> None:
    member = render(how, key=key, detail=detail, ttl=ttl)
    (item,) = parse_list(member) or ()
    assert item.value == "larder"
    assert set(item.parameters) == {"fwd", "ttl", "key", "detail"}
    assert (
        len(
            parse_list(append(Fields([("Cache-Status", "a")]), member).get("cache-status") or "")
            or ()
        )
        == 2
    )


BODY = bytes(range(100))


@given(first=st.integers(0, 120), last=st.integers(0, 120), suffix=st.integers(0, 120))
def test_spans_lie_in_the_body_apart_and_cover_what_was_asked(
    first: int, last: int, suffix: int
) -> None:
    spans = parse_range(f"bytes={first}-{first + last},-{suffix}", len(BODY))
    assert spans is not None
    assert all(0 <= begin < end <= len(BODY) for begin, end in spans)
    covered = [place for begin, end in spans for place in range(begin, end)]
    assert len(set(covered)) == len(covered)
    asked = {*range(100)[first : first + last + 1], *(range(100)[-suffix:] if suffix else ())}
    assert set(covered) == asked
