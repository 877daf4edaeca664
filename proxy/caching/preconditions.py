"""Evaluating a client's conditions on an answer in hand (RFC 9110 §13, RFC 9111 §4.3.2).

Floor 1, pure. The cache as a server. `fields` are those of the complete answer
to be served. Conditions a cache cannot judge count as absent.
"""

from __future__ import annotations

from typing import Final, Literal

from proxy.caching.dates import parse_http_date
from proxy.caching.entity_tags import parse_tag, parse_tags, single_tag
from proxy.fields import Fields
from proxy.messages import Request

_CONDITIONS: Final = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
_NOT_IN_304: Final = frozenset(
    {"content-encoding", "content-language", "content-length", "content-range", "content-type"}
)
_NOT_BESIDE_A_TAG: Final = _NOT_IN_304 | {"last-modified"}
_CLOCK_GRAIN_S: Final = 1


def precondition(
    request: Request, status: int, fields: Fields, now: float
) -> Literal[304, 412] | None:
    """What the conditions make of this answer, in their order (RFC 9110 §13.2.2); None: send it.

    A 412 over a *stored* answer only says that the upstream must judge (RFC 9111 §4.3.2).
    """
    asked = request.fields
    if _CONDITIONS.isdisjoint(asked.lowered):
        return None
    if request.method not in {"GET", "HEAD"} or not 200 <= status < 300:
        return None
    if not _if_match(asked, fields) or not _if_unmodified_since(asked, fields, now):
        return 412
    return 304 if _not_modified(asked, fields, now) else None


def _if_match(asked: Fields, fields: Fields) -> bool:
    """Hold if absent, `*`, or a tag is strongly equal (RFC 9110 §13.1.1)."""
    text = asked.get("if-match")
    if text is None or text.strip() == "*":
        return True
    tag = single_tag(fields)
    return tag is not None and any(tag.matches_strongly(theirs) for theirs in parse_tags(text))


def _if_unmodified_since(asked: Fields, fields: Fields, now: float) -> bool:
    """Hold if absent, invalid, outranked by If-Match, or not changed later (RFC 9110 §13.1.4)."""
    if "if-unmodified-since" not in asked:
        return True
    since, modified = _date(asked, "if-unmodified-since", now), _date(fields, "last-modified", now)
    return since is None or modified is None or "if-match" in asked or modified <= since


def _not_modified(asked: Fields, fields: Fields, now: float) -> bool:
    """Whether the client's copy is current; If-None-Match outranks dates (RFC 9110 §13.1.2-3)."""
    text = asked.get("if-none-match")
    if text is not None:
        theirs, tag = parse_tags(text), single_tag(fields)
        return text.strip() == "*" or (tag is not None and any(map(tag.matches_weakly, theirs)))
    if "if-modified-since" not in asked:
        return False
    since, modified = _date(asked, "if-modified-since", now), _date(fields, "last-modified", now)
    if modified is None:  # a cache then compares with Date (RFC 9111 §4.3.2)
        modified = _date(fields, "date", now)
    return since is not None and modified is not None and modified <= since


def if_range_holds(request: Request, fields: Fields, now: float) -> bool:
    """Whether Range may be applied: If-Range absent or strongly equal (RFC 9110 §13.1.5)."""
    text = request.fields.get("if-range")
    if text is None:
        return True
    since = parse_http_date(text.strip(), now)
    if since is not None:
        modified, date = _date(fields, "last-modified", now), _date(fields, "date", now)
        # A date is a strong validator only if the clock has moved on since (RFC 9110 §8.8.2.2).
        settled = modified is not None and date is not None and date - modified >= _CLOCK_GRAIN_S
        return settled and modified == since
    theirs, tag = parse_tag(text), single_tag(fields)
    return theirs is not None and tag is not None and tag.matches_strongly(theirs)


def not_modified_fields(fields: Fields) -> Fields:
    """The fields of a 304 made from a stored answer (RFC 9110 §15.4.5)."""
    return fields.without_any(_NOT_BESIDE_A_TAG if "etag" in fields.lowered else _NOT_IN_304)


def _date(fields: Fields, name: str, now: float) -> float | None:
    lines = fields.get_all(name)
    return parse_http_date(lines[0].strip(), now) if len(lines) == 1 else None
