"""The accounts as a whole: they tick, follow a reset, and pass on what waits at their end."""

from __future__ import annotations

from proxy.edges.accounts import Accounts
from proxy.edges.stats import Statistics
from proxy.flow import tasks
from proxy.observing import Again, Counts, Repeats, Retells
from proxy.store.memory_notes import MemoryNotes
from tests.support.larder import until
from tests.support.records import hit
from tests.support.rules import config_of

RULES = config_of(
    """
    upstreams: {db: {url: https://db.example}}
    alerts: [{name: low, hit_rate: 60%, requests: 1}]
    """
)


def _accounts(notes: MemoryNotes) -> Accounts:
    accounts = Accounts(notes, tasks.spawn, lambda: 100.0, Statistics(0.0))
    accounts.adopt(RULES)
    return accounts


async def test_its_end_passes_on_what_was_counted() -> None:
    notes = MemoryNotes()
    first = _accounts(notes)
    first.start()
    for observe in first.observers:
        observe(hit(place=b"a" * 32, unit="credits", cost=1_000_000))
    await first.close()
    second = _accounts(notes)
    assert await second.hits.of([b"a" * 32]) == {b"a" * 32: 1}
    assert (await second.ledger.told())["routes"][0]["spent"] == 1  # type: ignore[index]


async def test_a_reset_elsewhere_resets_the_statistics_here() -> None:
    notes, stats = MemoryNotes(), Statistics(0.0)
    first = _accounts(notes)
    second = Accounts(notes, tasks.spawn, lambda: 100.0, stats)
    second.adopt(RULES)
    await second.ledger.fold()
    Counts(stats.count)(hit())
    await first.ledger.reset()
    second.start()
    await until(lambda: stats.since == 100.0)
    await second.close()
    assert stats.snapshot(100.0)["routes"] == {}


def test_samples_are_of_routes_with_a_unit_and_of_alerts() -> None:
    accounts = _accounts(MemoryNotes())
    Counts(accounts.ledger.count)(hit(unit="credits", cost=2_000_000, saved=500_000))
    Counts(accounts.ledger.count)(hit(route="free"))
    told = {(name, labels): value for name, labels, value in accounts.samples()}
    assert told == {
        ("larder_cost_total", ("scenes", "credits")): 2,
        ("larder_saved_total", ("scenes", "credits")): 0.5,
        ("larder_unpriced_total", ("scenes", "credits")): 0,
        ("larder_alert_firing", ("low",)): 0,
    }


async def test_more_hits_and_more_calls_are_counted_in_one_go() -> None:
    accounts = _accounts(MemoryNotes())
    place = b"a" * 32
    counts, retells = accounts.observers
    assert isinstance(counts, Counts)
    assert isinstance(retells, Retells)
    counts.add(hit(), Again(1.0, 4, ((0.1, 4),), (), 400))
    retells.retell(Repeats(1.0, 0.1, [1.0], [2.0], [4]), [retells.form(hit(place=place))])
    assert retells.recall is None  # where the upstream was called, nothing was hit
    assert await accounts.hits.of([place, b""]) == {place: 4, b"": 0}
    ((_, row),) = accounts.ledger.rows.items()
    assert (row.requests, row.hits) == (4, 4)
