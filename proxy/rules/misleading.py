"""Requests that may mean something else to the upstream than their key says.

Floor 2. Cache poisoning by unkeyed input, and cache deception by paths that are read in two
ways, end here: what these functions suspect is passed on, neither looked up nor stored.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from proxy.outcomes import Bypass
from proxy.rules.lifetimes import HttpTtl, TimedTtl
from proxy.rules.patterns import is_ambiguous
from proxy.rules.scopes import CredentialScope

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.rules.rule import Rule
    from proxy.rules.subject import Subject


OVERRIDE_FIELDS: Final = frozenset(
    {
        *("x-http-method-override", "x-http-method", "x-method-override"),
        *("x-original-url", "x-rewrite-url", "x-http-destinationurl"),
    }
)
"""Request fields by which some frameworks take another method or target than the one sent."""

_SPELLED: Final = frozenset(
    "".join(pieces)
    for name in OVERRIDE_FIELDS
    for pieces in product(*(("-", "_") if mark == "-" else (mark,) for mark in name))
)
"""The same as they may be spelled: many servers take an underscore for a hyphen."""


def misleading(route: Rule, request: Request) -> Bypass | None:
    """Why a request may mean something else to the upstream than its key says."""
    names = request.fields.lowered
    if not _SPELLED.isdisjoint(names) and _SPELLED.intersection(names).difference(
        route.keyed_fields
    ):
        return Bypass.OVERRIDE_FIELD
    if request.body != b"" and _ignores_body(route, request.method):
        return Bypass.GET_BODY
    return None


def may_deceive(route: Rule, subject: Subject) -> bool:
    """Whether an answer for one client's eyes might be kept for all because of its path.

    `match` takes a path by its segments; an upstream that resolves `/static/..%2faccount`
    answers with another page, and a rule that shares overrides what that page says.
    """
    shares = isinstance(route.ttl, TimedTtl) and not isinstance(route.scope, CredentialScope)
    return shares and is_ambiguous(subject.request.path) and subject.credential is not None


def _ignores_body(route: Rule, method: str) -> bool:
    """Whether a body cannot count although the upstream might read it ("fat GET")."""
    unread = method in {"GET", "HEAD"} and not route.keying.reads_body
    return unread or isinstance(route.ttl, HttpTtl)
