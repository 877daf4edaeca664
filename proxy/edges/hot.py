"""One request and the bytes that answer it, for as long as a stored response stands fresh.

It knows how a head is written and which moments change one: the next second of its Age, of its
ttl and of its Date, the end of its freshness, and what a token in the request says. It decides
nothing: `hot_lane.py` asks whether the response still stands. Invariant: the response is held
weakly, so that a body which memory let go of does not live on here.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from proxy.caching.dates import format_http_date
from proxy.decisions.delivery import client_fields, member
from proxy.dressing import Dressed
from proxy.edges.wire import counted_head
from proxy.fields import Fields
from proxy.rules.jwt import spell
from proxy.store.memory import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.client import Reply
    from proxy.messages import StoredResponse
    from proxy.outcomes import ExchangeRecord
    from proxy.visit import Visit

Edit = Callable[[int, Fields], Fields]
"""What is done to the head's fields on their way out; see Dressed."""

_JOINED: Final = 8 << 10
"""Bytes of a body that is kept behind its head, so that one buffer goes out; a copy is cheaper."""

_TAKES: Final = 2944
"""Bytes a Hot takes besides its request and answer: itself, its template, its record."""

_DAY_S: Final = 86_400.0

_TINY_S: Final = 1e-6
"""What adding seconds to an epoch may lose: a head is made anew that much earlier."""


class Held(weakref.ref[Slot]):
    """A slot of the memory store for as long as that keeps it; `request` is who needs it."""

    __slots__ = ("request",)

    def __init__(self, slot: Slot, gone: Callable[[Held], None], request: bytes) -> None:
        super().__init__(slot, gone)  # type: ignore[call-arg]  # typeshed gives it to __new__ only
        self.request = request

    def __new__(cls, slot: Slot, gone: Callable[[Held], None], _request: bytes) -> Self:
        """As `weakref.ref`, which takes no more than two."""
        return super().__new__(cls, slot, gone)


@dataclass(slots=True)
class Alike:
    """Hits that differ in nothing that is counted; `count` of them wait to be told."""

    record: ExchangeRecord
    count: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """A head with holes for what time changes in it."""

    template: bytes
    own_date: bool

    def at(self, now: float, age: float, ttl: float) -> bytes:
        """The head as it is at `now`."""
        date = format_http_date(now).encode() if self.own_date else b""
        return self.template % {b"age": int(age), b"ttl": math.floor(ttl), b"date": date}


def edits_of(reply: Reply) -> list[Edit] | None:
    """What is done to the head on its way out, the last first; None if it is never the same."""
    edits: list[Edit] = []
    while isinstance(reply, Dressed):
        if not reply.repeats:
            return None
        edits.append(reply.edit)
        reply = reply.reply
    return edits


def form_of(visit: Visit, stored: StoredResponse, edits: Sequence[Edit], now: float) -> Form | None:
    """The form of the head that the driver gives to this visit; None if there is none."""
    story = visit.story()
    fields = _fields(visit, stored, edits, now)
    later = _fields(visit, stored, edits, now + _DAY_S)
    changing = {one[0].lower() for one, other in zip(fields, later, strict=False) if one != other}
    said = member(story)
    if story.ttl_s is None or not (fields.get("cache-status") or "").endswith(said):
        return None
    if len(fields) != len(later) or not changing <= {"date"}:
        return None
    shown = f"; ttl={math.floor(story.ttl_s)}"
    before, ttl, behind = said.rpartition(shown)
    lines = []
    for name, value in fields:
        escaped, lower = value.replace("%", "%%"), name.lower()
        if lower == "age":
            escaped = "%(age)d"
        elif lower == "cache-status" and ttl:
            nearer = value.removesuffix(said).replace("%", "%%")
            escaped = f"{nearer}{before}; ttl=%(ttl)d{behind}"
        elif lower in changing:
            escaped = "%(date)b"
        lines.append((name.replace("%", "%%"), escaped))
    reason = stored.reason.replace("%", "%%")
    length = len(stored.body)
    head = counted_head(stored.status, reason, Fields(lines), length)
    return Form(head, own_date=bool(changing))


def _fields(visit: Visit, stored: StoredResponse, edits: Sequence[Edit], now: float) -> Fields:
    fields = client_fields(visit.route, stored.status, stored.fields, visit.story(), now)
    for edit in edits:
        fields = edit(stored.status, fields)
    return fields


class Template:
    """What the hits of one request have in common while one stored response answers it.

    `count` hits wait to be told, `forms` are what those who retell made of one.
    """

    __slots__ = (
        *("alike", "begins", "count", "ends", "form", "forms", "initial_age", "lifetime"),
        *("place", "received_at", "record"),
    )

    def __init__(
        self,
        place: bytes,
        stored: StoredResponse,
        form: Form,
        visit: Visit,
        record: ExchangeRecord,
    ) -> None:
        self.place, self.form, self.record = place, form, record
        self.initial_age, self.received_at = stored.initial_age, stored.response_time
        self.lifetime = stored.lifetime
        self.begins, self.ends = spell(visit.request.fields.get("authorization"), visit.began_at)
        self.count = 0
        self.alike: Alike = Alike(record)
        self.forms: dict[int, object] = {}

    def age(self, now: float) -> float:
        """As StoredResponse.age."""
        resident = now - self.received_at
        age = self.initial_age + resident if resident > 0 else self.initial_age
        return age if age > 0 else 0.0

    def head_at(self, now: float) -> bytes | None:
        """The head of the answer as it is at `now`; None if that is none that is fresh."""
        age = self.age(now)
        ttl = self.lifetime - age
        if ttl <= 0 or not self.begins <= now < self.ends:
            return None
        return self.form.at(now, age, ttl)


class Hot(Template):
    """A request that is answered from here. Times are epoch seconds.

    `head` (with a small body behind it) and `body` are sent from `since` to `until`.
    The larger `used`, the later it was hit. `exact` are the requests that come again as they are.
    """

    __slots__ = ("body", "exact", "head", "held", "marker", "since", "size", "until", "used")

    def __init__(
        self,
        place: bytes,
        held: Held,
        stored: StoredResponse,
        form: Form,
        visit: Visit,
        record: ExchangeRecord,
    ) -> None:
        super().__init__(place, stored, form, visit, record)
        self.held = held
        self.marker: tuple[bytes, Held] | None = None
        self.head = self.body = b""
        self.since, self.until = math.inf, -math.inf
        self.used = 0
        self.exact: list[bytes] = []
        joined = len(stored.body) if len(stored.body) <= _JOINED else 0
        self.size = _TAKES + 2 * len(held.request) + 2 * len(form.template) + joined

    def render(self, stored: StoredResponse, now: float) -> bool:
        """Make the answer as it is at `now`; whether it is one that is fresh."""
        head, body = self.head_at(now), stored.body
        if head is None:
            return False
        if len(body) <= _JOINED:
            self.head = head + body
        else:
            self.head, self.body = head, body
        age = self.age(now)
        ttl = self.lifetime - age
        lasts = min(1 - age % 1, ttl % 1, ttl, 1 - now % 1 if self.form.own_date else 1.0)
        self.since, self.until = now, min(now + lasts - _TINY_S, self.ends)
        return True
