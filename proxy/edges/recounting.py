"""Telling observers of what was passed on without the driver: all of a turn of the loop at once.

As telling.py for hits. It knows kinds of exchanges and observers; not why one was passed on.
Invariants: each is told of once, in the turn after it ended; what differs between those of a kind
(when, how long, how many bytes) is told of each; an observer that fails keeps nobody else from
knowing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.observing import Again, Calls, Counts, Retells, failed, tell

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.observing import Observer
    from proxy.outcomes import ExchangeRecord

_GROUPS: Final = 1024


class _Group:
    """Kinds that differ in nothing that is counted; `rows` wait to be told."""

    __slots__ = ("record", "rows")

    def __init__(self, record: ExchangeRecord) -> None:
        self.record = record
        self.rows: list[_Row] = []

    def again(self) -> Again:
        """All that wait."""
        _, ats, durations, calls, sizes = zip(*self.rows, strict=True)
        each = [(seconds, 1) for seconds in durations]
        return Again(ats[-1], len(ats), each, calls, sum(sizes))


class Kind:
    """Exchanges that differ in nothing but a `_Row`; `forms` are what those who retell made of one.

    That differ otherwise only in what is not counted are of one group.
    """

    __slots__ = ("forms", "group", "record")

    def __init__(self, record: ExchangeRecord, group: _Group) -> None:
        self.record = record
        self.group = group
        self.forms: dict[int, object] = {}


class _Row(NamedTuple):
    kind: Kind
    at: float
    duration_s: float
    upstream_s: float
    size: int

    def record(self) -> ExchangeRecord:
        return replace(
            self.kind.record,
            at=self.at,
            duration_s=self.duration_s,
            upstream_s=self.upstream_s,
            response_bytes=self.size,
        )


class Recounting:
    """Gathers what the next turn of `loop` tells. `clock` is epoch seconds, `timer` counts them."""

    def __init__(
        self,
        observers: Sequence[Observer],
        *,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        self.count = 0
        """Exchanges that ended well, since the start."""
        self.clock = clock
        self.timer = timer
        self._observers = observers
        self._loop = loop
        self._rows: list[_Row] = []
        self._groups: dict[ExchangeRecord, _Group] = {}

    def kind(self, record: ExchangeRecord) -> Kind:
        """The kind of an exchange like this one."""
        common = replace(
            record,
            at=0.0,
            path="",
            key="",
            duration_s=0.0,
            upstream_s=0.0,
            response_bytes=0,
        )
        if len(self._groups) >= _GROUPS:
            self._groups.clear()
        return Kind(record, self._groups.setdefault(common, _Group(common)))

    def add(self, kind: Kind, at: float, duration_s: float, upstream_s: float, size: int) -> None:
        """One has ended; epoch seconds, seconds and bytes."""
        self.count += 1
        if not self._rows:
            self._loop.call_soon(self._tell)
        self._rows.append(_Row(kind, at, duration_s, upstream_s, size))

    def broken_off(self, record: ExchangeRecord, at: float, duration_s: float) -> None:
        """Tell at once of one like this whose client left."""
        tell(self._observers, replace(record, at=at, duration_s=duration_s, aborted=True))

    def _tell(self) -> None:
        rows, self._rows = self._rows, []
        kinds, *columns = zip(*rows, strict=True)
        calls, groups = Calls(*columns), _grouped(rows)
        for number, observe in enumerate(self._observers):
            try:
                if isinstance(observe, Retells):
                    _recall(observe, calls, kinds, number)
                elif isinstance(observe, Counts):
                    for common, again in groups:
                        observe.add(common, again)
                else:
                    for row in rows:
                        observe(row.record())
            except Exception:  # noqa: BLE001 - as in observing.tell
                failed()


def _recall(observe: Retells[object], calls: Calls, kinds: Sequence[Kind], number: int) -> None:
    """Tell the observer of this number of calls, by the forms that it has made of each kind."""
    recall, form = observe.recall, observe.call_form
    if recall is None or form is None:
        return
    for kind in kinds:
        if number not in kind.forms:
            kind.forms[number] = form(kind.record)
    recall(calls, [kind.forms[number] for kind in kinds])


def _grouped(rows: Sequence[_Row]) -> list[tuple[ExchangeRecord, Again]]:
    groups: list[_Group] = []
    for row in rows:
        group = row.kind.group
        if not group.rows:
            groups.append(group)
        group.rows.append(row)
    told = [(group.record, group.again()) for group in groups]
    for group in groups:
        group.rows.clear()
    return told
