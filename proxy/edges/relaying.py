"""The relay lane: requests like those relayed before go up at once, and their answers come down.

As the hot lane (lane.py) for hits: what it may do is decided on the slow path alone. The driver
notes a relay from which nothing follows, the connection offers the bytes of the request, and
requests that say the same (folding.py) go the same way up (ways.py) from then on, with no task
and no parsed head. Invariants: what goes up and what comes down is, but for their order, the
lines that the driver would send; all that is unusual is the driver's, with what has been begun;
each is told of once; nothing of it outlives the rules.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from proxy.decisions.delivery import client_fields
from proxy.decisions.repeating import passes_alike
from proxy.decisions.requesting import touched
from proxy.dressing import Dressed
from proxy.edges.folding import Folding
from proxy.edges.lane import LONGEST
from proxy.edges.sightings import Sightings
from proxy.edges.ways import Way, way_of
from proxy.edges.wire import WITHOUT_BODY, counted_head
from proxy.flow.request_head import Outgoing
from proxy.observing import tell
from proxy.rules.heeded import heeded
from proxy.rules.jwt import spell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.client import Sent
    from proxy.flow.background import Background, Behind
    from proxy.flow.upstream import Call, UpstreamClient
    from proxy.messages import Request
    from proxy.observing import Observer
    from proxy.turn import Turn, World
    from proxy.visit import Visit

_MOST: Final = 2048
"""Requests that are known, each in two or three KiB; the one used last is kept."""


class _Known:
    """How requests like one are relayed, from `begins` until `ends` (epoch seconds)."""

    __slots__ = ("begins", "behind", "client", "ends", "visit", "way")

    def __init__(self, way: Way, visit: Visit, client: UpstreamClient, behind: Behind) -> None:
        self.way = way
        self.visit = visit
        self.client = client
        self.behind = behind
        self.begins, self.ends = spell(visit.request.fields.get("authorization"), visit.began_at)


class Relay:
    """One that is under way. `at` is epoch seconds, `began` on the timer.

    The call is the driver's if it cannot be finished here. Implements `Pending` and `Sent`.
    """

    __slots__ = (
        *("_known", "_relays", "_status", "_upstream_s", "_waits", "at", "began"),
        *("call", "request", "size"),
    )

    def __init__(
        self, relays: Relays, known: _Known, request: bytes, call: Call, began: float
    ) -> None:
        self._relays = relays
        self._known = known
        self._status = 0
        self._upstream_s: float | None = None
        self.request = request
        self.call = call
        self.at, self.began = call.began, began
        self.size = 0
        self._waits = True
        known.behind.__enter__()

    @property
    def sent(self) -> Sent:
        """The driver goes on with it."""
        return self

    def listen(self, heard: Callable[[], None]) -> None:
        """Call this once when something has come, or nothing will."""
        self.call.listen(heard)

    def answer(self) -> bytes | None:
        """The answer as its client gets it; None: it is not whole, or not as they mostly are."""
        known, call = self._known, self.call
        if not _is_plain(call):
            return None
        answer = known.client.whole_answer(call)
        if answer is None:
            return None
        response, body = answer.response, answer.whole or b""
        visit, now = known.visit, self._relays.clock()
        self._status, self._upstream_s, self.size = response.status, now - call.began, len(body)
        visit.status = visit.upstream_status = response.status
        fields = client_fields(visit.route, response.status, response.fields, visit.story(), now)
        head = counted_head(response.status, response.reason, fields, len(body))
        self.taken()
        return head + body

    def over(self, *, aborted: bool) -> None:
        """Its answer was sent, or its client left."""
        visit = self._known.visit
        visit.began_at, visit.began, visit.aborted = self.at, self.began, aborted
        visit.status, visit.upstream_s = self._status, self._upstream_s
        visit.upstream_status = self._status or None
        self._relays.tell(visit, self.size)

    def hand_over(self) -> None:
        """The driver goes on with it, and will say when it waits for the head itself."""
        self.call.listen(None)

    def taken(self) -> None:
        """Nobody waits for its head any more, or somebody else does."""
        if self._waits:
            self._waits = False
            self._known.behind.__exit__()

    def give_up(self) -> None:
        """Its client left: nobody else waits for it."""
        self.call.abort()
        self.taken()
        self.over(aborted=True)


class Relays:
    """`clock` is epoch seconds, `timer` counts seconds from anywhere."""

    def __init__(
        self,
        observers: Sequence[Observer],
        background: Background,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        self.passed = 0
        """Requests that were relayed so, since the start."""
        self._observers = observers
        self._background = background
        self.clock = clock
        self.timer = timer
        self._world: World | None = None
        self._table: OrderedDict[tuple[str, bytes], _Known] = OrderedDict()
        self._folding = Folding(())
        self._sightings = Sightings()
        self._noted: tuple[Turn, bytes] | None = None

    def __len__(self) -> int:
        return len(self._table)

    def adopt(self, world: World) -> None:
        """These rules are in force now: forget all that was learnt under others."""
        config = world.config
        read = (name for upstream in config.upstreams for name in touched(upstream))
        self._world = world
        self._folding = Folding(heeded(config.router).union(read))
        self._table.clear()
        self._noted = None

    # -- relaying

    def take(self, peer: str, request: bytes) -> Relay | None:
        """Send it up, if such requests are known and a connection is idle; None: ask the driver."""
        if not self._table or len(request) > LONGEST:
            return None
        place = peer, self._folding.fold(request)
        known = self._table.get(place)
        if known is None or not known.begins <= self.clock() < known.ends:
            return None
        began = self.timer()
        call = known.client.begin_again(_outgoing(known.way.up(request)))
        if call is None:
            return None
        self._table.move_to_end(place)
        return Relay(self, known, request, call, began)

    def tell(self, visit: Visit, sent: int) -> None:
        """Tell of a visit that was passed on, with so many bytes of body."""
        self.passed += 1
        tell(self._observers, visit.record(self.timer(), received=0, sent=sent))

    # -- what it learns

    def note(self, turn: Turn, call: Call) -> None:
        """The driver has passed this on; the connection offers the request, or does not."""
        self._noted = (turn, call.request.head) if turn.world is self._world else None

    def offer(self, peer: str, data: bytes, request: Request) -> None:
        """`data` was all of `request`, which has been answered."""
        noted, self._noted = self._noted, None
        if noted is None:
            return
        turn, up = noted
        if turn.visit.request is not request or not _is_alike(turn):
            return
        if not self._folding.learn(data):
            return
        folded = self._folding.fold(data)
        place = peer, folded
        if place in self._table or not self._sightings.before(peer.encode() + b"\n" + folded):
            return
        way = way_of(data, folded, up)
        if way is not None and self._folding.heeds(way.named):
            behind = self._background.behind(turn.upstream.name)
            self._table[place] = _Known(way, turn.visit, turn.client, behind)
            if len(self._table) > _MOST:
                self._table.popitem(last=False)


def _is_alike(turn: Turn) -> bool:
    """Whether requests that say the same are relayed the same."""
    config, upstream = turn.world.config, turn.upstream
    simple = len(upstream.urls) == 1 and not config.budgets and not isinstance(turn.reply, Dressed)
    if not simple or (config.sessions.attended and turn.match.route.reads_session):
        return False
    return passes_alike(turn.match.route, turn.visit.request)


def _is_plain(call: Call) -> bool:
    """Whether all of an answer with a body of a length that was said is here."""
    head = call.whole_head
    if head is None or head.status in WITHOUT_BODY or "transfer-encoding" in head.fields:
        return False
    return "content-length" in head.fields


def _outgoing(head: bytes) -> Outgoing:
    return Outgoing(head=head, body=b"", length=0, has_answer_body=True)
