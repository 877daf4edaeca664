"""Conditions on our own ETags, of requests that go past the cache.

Floor 6, beside the driver. Where a rule makes the ETag the upstream has never heard of it, so a
condition on it is put in the upstream's terms, or judged here. Invariants: no tag that is
recognisably ours goes up; a write whose If-Match cannot be put to the upstream is refused,
never sent without its condition.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.caching.entity_tags import parse_tags, single_tag
from proxy.caching.etags import is_content_tag
from proxy.caching.validation import received_fields
from proxy.delivering import refuse
from proxy.outcomes import Bypass, Refusal
from proxy.rules.route import Match
from proxy.rules.subject import RequestFacts
from proxy.sight import look

if TYPE_CHECKING:
    from proxy.caching.entity_tags import EntityTag
    from proxy.fields import Fields
    from proxy.messages import StoredResponse
    from proxy.store.cache import Cache
    from proxy.turn import Turn

ON_TAGS: Final = frozenset({"if-match", "if-none-match", "if-range"})
"""The conditions in which an ETag stands."""


async def sendable(turn: Turn, cache: Cache, now: float) -> Turn | None:
    """The turn with its conditions in the upstream's terms; None: it was refused, with 412."""
    sent = await _translated(turn, cache, now)
    if sent is None:
        await refuse(turn.visit, turn.reply, 412, Refusal.PRECONDITION, now)
    return sent


async def _translated(turn: Turn, cache: Cache, now: float) -> Turn | None:
    fields = turn.request.fields
    if ON_TAGS.isdisjoint(fields.lowered):
        return turn
    asked = turn.match.subject.as_get
    match = turn.world.config.router.match(turn.upstream, asked.request)
    if not isinstance(match, Match) or match.route.etag is None:
        return turn
    identity = match.route.identify(match.subject)
    stored = None
    if not isinstance(identity, Bypass):
        stored = (await look(cache, match, identity.key, now)).stored
    changed = _translate(fields, stored)
    return None if changed is None else _with_fields(turn, changed)


def _translate(fields: Fields, stored: StoredResponse | None) -> Fields | None:
    """None: of the tags in If-Match there is none that the upstream could know."""
    if "if-range" in fields:  # its range is not asked for; all of it will do (RFC 9110 §13.1.5)
        fields = fields.without("if-range", "range")
    for name in ("If-Match", "If-None-Match"):
        text = fields.get(name)
        if text is None or text.strip() == "*":
            continue
        known = [_in_their_terms(tag, stored) for tag in parse_tags(text)]
        tags = ", ".join(tag for tag in known if tag)
        if not tags and name == "If-Match":
            return None
        fields = fields.with_set(name, tags) if tags else fields.without(name)
    return fields


def _in_their_terms(tag: EntityTag, stored: StoredResponse | None) -> str:
    """The upstream's tag for one that a client sent; "" if it has none for it."""
    written = f"W/{tag.opaque}" if tag.weak else tag.opaque
    ours = single_tag(stored.fields) if stored is not None and stored.validators else None
    if ours is None or stored is None or not ours.matches_weakly(tag):
        return "" if is_content_tag(written) else written
    # A weak tag of ours may stand for bytes that differ: it never becomes a strong one of theirs.
    theirs = single_tag(received_fields(stored))
    if theirs is None:
        return ""
    return f"W/{theirs.opaque}" if tag.weak or ours.weak or theirs.weak else theirs.opaque


def _with_fields(turn: Turn, fields: Fields) -> Turn:
    subject = turn.match.subject
    facts = RequestFacts(replace(subject.request, fields=fields))
    return replace(turn, match=replace(turn.match, subject=replace(subject, facts=facts)))
