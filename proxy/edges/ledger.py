"""The ledger: what was asked, spent and saved, by route, credential and session.

An observer of exchanges and of upstream calls. Counts here at once, in plain integers; `fold`
passes what is new to the tallies, which all instances share and which outlive a restart.
Invariants: amounts are integers of micros; a reset begins a new *generation*, under whose name
everything after it is counted, so what another instance had not passed on yet is not counted
again; credentials and sessions are digests, and bounded.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from proxy.errors import CorruptEntryError, StoreError
from proxy.observing import Again
from proxy.outcomes import FROM_CACHE, PASSED, SERVED, ExchangeRecord, Outcome
from proxy.rules.prices import MICROS
from proxy.spending import Spent
from proxy.store.base import Spawn
from proxy.store.notes import Notes
from proxy.store.tally import Tally

_HIT: Final = Outcome.HIT
"""Tested first: most are, and to be found in a set costs an enum several times as much."""

MAX_PEOPLE: Final = 1000
_DAY_S: Final = 86_400.0
_KEPT_S: Final = 400 * _DAY_S
_PEOPLE_KEPT_S: Final = 30 * _DAY_S
_EVERY_S: Final = 5.0
_ROUTES: Final = "ledger"
_PEOPLE: Final = "people"
_GENERATION: Final = "generation"
"""Spaces of notes: the sums by route, those by credential and session, which of them count."""
_NAME: Final = "ledger"
_FIRST: Final = "0"

Json = dict[str, object]
Key = tuple[str, str]


@dataclass(slots=True)
class Row:
    """What was counted of one route (in one unit), credential or session."""

    requests: int = 0
    looked_up: int = 0
    hits: int = 0
    errors: int = 0
    spent: int = 0
    saved: int = 0
    unpriced: int = 0

    def add(self, record: ExchangeRecord, times: int = 1) -> None:
        """Count an exchange, or so many alike."""
        outcome = record.outcome
        self.requests += times
        if outcome is not _HIT and outcome in PASSED:
            return
        self.looked_up += times
        if outcome is _HIT or outcome in FROM_CACHE:
            self.spent += record.cost * times
            self.saved += record.saved * times
            if outcome is _HIT or outcome in SERVED:
                self.hits += times
        elif outcome is Outcome.ERROR:
            self.errors += times

    def pay(self, cost: int | None) -> None:
        """Count one upstream call; None: what it cost is not known."""
        if cost is None:
            self.unpriced += 1
        else:
            self.spent += cost


FIELDS: Final = ("requests", "looked_up", "hits", "errors", "spent", "saved", "unpriced")


class _Book:
    """Rows by name, and how much of each the tally has been told of."""

    def __init__(self, tally: Tally, most: int) -> None:
        self.rows: dict[Key, Row] = {}
        self.tally = tally
        self._told: dict[Key, Row] = {}
        self._most = most

    def row(self, key: Key) -> Row:
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= self._most:  # the one that was first seen longest ago
                oldest = next(iter(self.rows))
                del self.rows[oldest]
                self._told.pop(oldest, None)
            row = self.rows[key] = Row()
        return row

    def fold(self, generation: str) -> None:
        for key, row in self.rows.items():
            told = self._told.setdefault(key, Row())
            more = {
                name: float(getattr(row, name) - getattr(told, name))
                for name in FIELDS
                if getattr(row, name) != getattr(told, name)
            }
            if more:
                self.tally.add(json.dumps([generation, *key]), more)
                self.forget(key)

    def forget(self, key: Key) -> None:
        """What was counted of it until now is not to be told any more."""
        row, told = self.rows[key], self._told.setdefault(key, Row())
        for name in FIELDS:
            setattr(told, name, getattr(row, name))

    def sums(self, generation: str) -> Iterator[tuple[Key, dict[str, float]]]:
        """What all instances have counted in this generation."""
        for text, sums in self.tally.totals().items():
            key = _parsed(text)
            if key is not None and key[0] == generation:
                yield (key[1], key[2]), sums


class Ledger:
    """`clock` is epoch seconds; `on_reset` is told when a reset, here or elsewhere, takes hold."""

    def __init__(
        self, notes: Notes, spawn: Spawn, clock: Callable[[], float], on_reset: Callable[[], None]
    ) -> None:
        self._notes = notes
        self._clock = clock
        self._on_reset = on_reset
        self._generation: str | None = None
        self.since: float | None = None
        """When it was last reset; None: never."""
        routes = Tally(notes, _ROUTES, spawn, _EVERY_S, ttl_s=_KEPT_S)
        people = Tally(
            notes, _PEOPLE, spawn, _EVERY_S, ttl_s=_PEOPLE_KEPT_S, max_keys=2 * MAX_PEOPLE
        )
        self._routes = _Book(routes, MAX_PEOPLE * 10)
        self._people = _Book(people, MAX_PEOPLE)

    @property
    def rows(self) -> dict[Key, Row]:
        """What this process has counted since its start, by route and unit."""
        return self._routes.rows

    def start(self) -> None:
        """Begin to pass on what is counted."""
        self._routes.tally.start()
        self._people.tally.start()

    def count(self, record: ExchangeRecord, again: Again) -> None:
        """Count so many alike, if they are of clients."""
        times = again.times
        if record.background:
            return
        self._routes.row((record.route, record.unit)).add(record, times)
        if record.credential:
            self._people.row(("credential", record.credential)).add(record, times)
        if record.session:
            self._people.row(("session", record.session)).add(record, times)

    def spent(self, spent: Spent) -> None:
        """Count what one upstream call cost."""
        self._routes.row((spent.route, spent.unit)).pay(spent.cost)
        if spent.credential:
            self._people.row(("credential", spent.credential)).pay(spent.cost)
        if spent.session:
            self._people.row(("session", spent.session)).pay(spent.cost)

    async def fold(self) -> None:
        """Follow a reset, then pass on what is new; a store that is away gets it later."""
        with suppress(StoreError):
            await self._follow()
        if self._generation is not None:
            self._routes.fold(self._generation)
            self._people.fold(self._generation)

    async def _follow(self) -> None:
        try:
            note = await self._notes.get(_GENERATION, _NAME)
        except CorruptEntryError:  # it stays so until the next reset, and counting goes on
            note = None
        told = None if note is None else _reset_of(note)
        if told is None:
            self._generation = self._generation or _FIRST
        elif told[0] != self._generation:
            began = self._generation is None
            self._generation, self.since = told
            if not began:
                self._begin_anew()

    def _begin_anew(self) -> None:
        for book in (self._routes, self._people):
            for key in book.rows:
                book.forget(key)
        self._on_reset()

    async def reset(self) -> None:
        """Count from nothing again, on every instance; StoreError if they cannot be told."""
        old = [json.dumps([self._generation, *key]) for key, _ in await self._all(self._routes)]
        generation, now = secrets.token_hex(8), self._clock()
        note = json.dumps({"id": generation, "at": now}).encode()
        await self._notes.put(_GENERATION, _NAME, note, _KEPT_S * 10)
        self._generation, self.since = generation, now
        self._begin_anew()
        for key in old:
            await self._notes.delete(_ROUTES, key)

    async def told(self) -> Json:
        """Everything as plain data, all instances together, as far as they have told."""
        rows = sorted(await self._all(self._routes))
        people = await self._all(self._people)
        return {
            "since": self.since,
            "routes": [{"route": key[0], "unit": key[1] or None, **_told(s)} for key, s in rows],
            "credentials": _top(people, "credential"),
            "sessions": _top(people, "session"),
        }

    async def _all(self, book: _Book) -> list[tuple[Key, dict[str, float]]]:
        await self.fold()
        with suppress(StoreError):
            await book.tally.flush()
        with suppress(StoreError):
            await book.tally.read()
        return list(book.sums(self._generation or _FIRST))

    async def close(self) -> None:
        """Pass on what waits."""
        await self.fold()
        await self._routes.tally.close()
        await self._people.tally.close()


def _reset_of(note: bytes) -> tuple[str, float] | None:
    """The generation that a reset began, and when; None if nobody of us wrote that."""
    try:
        match json.loads(note):
            case {"id": str(generation), "at": int() | float() as at} if math.isfinite(at):
                return generation, float(at)
            case _:
                return None
    except (ValueError, OverflowError, RecursionError):
        return None


def _parsed(text: str) -> tuple[str, str, str] | None:
    try:
        generation, first, second = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return str(generation), str(first), str(second)


def _top(people: list[tuple[Key, dict[str, float]]], kind: str) -> list[Json]:
    """The hundred who asked most often."""
    found = [(key[1], sums) for key, sums in people if key[0] == kind]
    found.sort(key=lambda each: -each[1].get("requests", 0.0))
    return [{"digest": digest[:16], **_told(sums)} for digest, sums in found[:100]]


def _told(sums: dict[str, float]) -> Json:
    counts = {name: int(sums.get(name, 0.0)) for name in FIELDS}
    looked_up = counts.pop("looked_up")
    rate = round(counts["hits"] / looked_up, 4) if looked_up else None
    amounts = {name: in_units(counts.pop(name)) for name in ("spent", "saved")}
    return {**counts, "hit_rate": rate, **amounts}


def in_units(micros: float) -> float | int:
    """An amount for a program: in its unit, whole where it is."""
    whole, part = divmod(int(micros), MICROS)
    return int(micros) / MICROS if part else whole
