"""From `etag` as written to the rule for a route's ETag.

Floor 2. What a key cannot know of its neighbours is checked here: a route whose answers are
never asked for with a condition has no use for one.
"""

from __future__ import annotations

from proxy.rules import route_schema as s
from proxy.rules.etags import TAGGED_METHODS, CollectionEtag, ContentEtag, EtagRule, ValuesEtag
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Mark, Report
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Written


def compile_etag(written: Written, pattern: Pattern | None, report: Report) -> EtagRule | None:
    """What makes the ETag of this route's answers; None: the upstream's stands."""
    etag = written.get(s.ETAG)
    if etag is None:
        return None
    if pattern is not None and pattern.methods and not pattern.methods & TAGGED_METHODS:
        report.add(
            written.mark_of(s.ETAG),
            "only answers to GET and HEAD have an ETag of ours",
            "take etag out, or match GET",
        )
    _check_read(etag, written.mark_of(s.ETAG), report)
    if isinstance(etag, Written):
        return _collection(etag)
    if isinstance(etag, Selector):
        return ValuesEtag((etag,))
    return ContentEtag() if isinstance(etag, str) else ValuesEtag(etag)


def _check_read(
    etag: str | Selector | tuple[Selector, ...] | Written, mark: Mark, report: Report
) -> None:
    """Report an ETag of nothing, and one that is the same whatever the answer is."""
    if isinstance(etag, Written):
        for key in (s.ETAG_COUNT, s.ETAG_LATEST):
            _check_answer((found,) if (found := etag.get(key)) else (), etag.mark_of(key), report)
    elif etag == ():
        report.add(mark, "an ETag is made of something", "name a selector, or take etag out")
    elif not isinstance(etag, str):
        _check_answer((etag,) if isinstance(etag, Selector) else etag, mark, report)


def _check_answer(selectors: tuple[Selector, ...], mark: Mark, report: Report) -> None:
    """Report selectors of the request, unless one of the answer stands beside them.

    What is in a body is meant of the answer in any case: a GET has none.
    """
    answers = any(selector.reads_response for selector in selectors)
    for found in selectors:
        if not found.reads_response and (found.reads_body or not answers):
            meant = f"response.{found.text}" if found.root == "body" else "response.body.NAME"
            report.add(mark, f"`{found.text}` is of the request", f"write {meant}")


def etag_selectors(written: Written) -> tuple[Selector, ...]:
    """The selectors it is made of."""
    etag = written.get(s.ETAG)
    if isinstance(etag, Written):
        rule = _collection(etag)
        return () if rule is None else rule.selectors
    if isinstance(etag, Selector):
        return (etag,)
    return etag if isinstance(etag, tuple) else ()


def _collection(written: Written) -> CollectionEtag | None:
    count, latest = written.get(s.ETAG_COUNT), written.get(s.ETAG_LATEST)
    if count is None or latest is None:  # reported where it stands
        return None
    return CollectionEtag(count, latest)
