"""Requests that follow from an answer: `GET /scenes/{item.id} for item in response.body.scenes`.

Floor 2. Pure. Invariants: a value stands in a target percent-encoded, so it is one segment or
one parameter and nothing else; a target with a hole in it, or with a value that names another
place (nothing, `.`, `..`), is none; at most MAX_ITEMS items are read of one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from proxy.rules.targets import has_dot_segments
from proxy.rules.values import to_text

if TYPE_CHECKING:
    from proxy.rules.selectors import Selector
    from proxy.rules.subject import Subject
    from proxy.rules.templates import Template
    from proxy.rules.values import Json, Value

MAX_ITEMS: Final = 200
"""Items of one answer for which requests are told."""

_ELSEWHERE: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """`GET` and a target, perhaps once for each item of a list that the answer holds."""

    text: str
    target: Template
    each: Selector | None = None

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The selectors in it."""
        return (*self.target.selectors, *((self.each,) if self.each is not None else ()))

    @property
    def reads_response_body(self) -> bool:
        """Whether it needs an answer's body."""
        return any(name.reads_response_body for name in self.selectors)

    def target_of(self, subject: Subject) -> str | None:
        """The target for this subject (and its item); None if a value is of no use there."""
        parts: list[str] = []
        for piece in self.target.pieces:
            part = piece if isinstance(piece, str) else _encoded(piece.read(subject))
            if part is None:
                return None
            parts.append(part)
        target = "".join(parts)
        return None if has_dot_segments(target.partition("?")[0]) else target

    def targets(self, subject: Subject) -> tuple[str, ...]:
        """Every target that this subject's answer names, each once."""
        if self.each is None:
            found = [self.target_of(subject)]
        else:
            items = items_of(self.each.read(subject))
            found = [self.target_of(subject.with_item(item)) for item in items]
        return tuple(dict.fromkeys(target for target in found if target is not None))


@dataclass(frozen=True, slots=True)
class Expand:
    """`expand`: each item of a list is the answer to a request of its own."""

    each: Selector
    request: RequestTemplate


@dataclass(frozen=True, slots=True)
class Following:
    """The requests that follow from a route's answers, and what of an answer answers them.

    `write_through`: the whole answer to an unsafe request; `expand`: its items; `prefetch`:
    nothing of it, so they are made.
    """

    write_through: RequestTemplate | None = None
    expand: Expand | None = None
    prefetch: tuple[RequestTemplate, ...] = ()

    def __bool__(self) -> bool:
        return self.write_through is not None or self.expand is not None or bool(self.prefetch)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector in them."""
        each = (self.expand.each, *self.expand.request.selectors) if self.expand else ()
        others = (self.write_through, *self.prefetch)
        named = (name for other in others if other is not None for name in other.selectors)
        return (*each, *named)

    @property
    def texts(self) -> tuple[str, ...]:
        """Each of them for people."""
        found = [f"write_through {self.write_through.text}"] if self.write_through else []
        found += [f"expand {self.expand.request.text}"] if self.expand else []
        return (*found, *(f"prefetch {request.text}" for request in self.prefetch))


NOTHING: Final = Following()
"""Nothing follows."""


def items_of(value: Value) -> tuple[Json, ...]:
    """The first MAX_ITEMS of a list; nothing of what is none."""
    return tuple(value[:MAX_ITEMS]) if isinstance(value, list) else ()


def _encoded(value: Value) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    text = to_text(value)
    try:
        return None if text in _ELSEWHERE else quote(text, safe="", errors="surrogateescape")
    except UnicodeEncodeError:
        return None
