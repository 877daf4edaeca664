"""What a scrape reads from the running parts."""

from __future__ import annotations

import pytest

from proxy.edges.families import METRICS
from proxy.edges.metrics import Metrics
from proxy.edges.readings import samples
from proxy.observing import Counts
from proxy.outcomes import NotStored, Tier
from proxy.store.base import CacheStatus, TierStatus
from proxy.store.memory_notes import MemoryNotes
from tests.support.control import SmallProgram
from tests.support.records import hit, miss
from tests.support.rules import config_of

CONFIG = config_of(
    """
    upstreams: {db: {url: https://db.example}}
    alerts: [{name: low, hit_rate: 60%}]
    """
)


class _Status:
    """The one answer of a cache that a scrape reads, and where accounts would be kept."""

    def __init__(self, status: CacheStatus) -> None:
        self.status = lambda: status
        self.notes = MemoryNotes()


WHOLE = CacheStatus(
    memory=TierStatus(entries=1, size_bytes=2, max_bytes=3, evictions=4),
    shared=TierStatus(entries=5),
    shared_name="redis",
    online=True,
    lag_s=0.5,
)


def _program(status: CacheStatus) -> SmallProgram:
    program = SmallProgram(CONFIG, cache=_Status(status))  # type: ignore[arg-type]
    Counts(program.accounts.ledger.count)(hit(unit="credits", cost=1_000_000, saved=19_500_000))
    return program


def test_each_sample_is_of_a_known_family_with_its_labels() -> None:
    for name, labels, _ in samples(_program(WHOLE)):
        assert METRICS[name].kind != "histogram"
        assert len(labels) == len(METRICS[name].labels)


def test_what_a_tier_cannot_tell_is_left_out() -> None:
    read = {(name, labels): value for name, labels, value in samples(_program(WHOLE))}
    assert read["larder_store_bytes", ("memory",)] == 2
    assert read["larder_store_entries", ("shared",)] == 5
    assert ("larder_store_bytes", ("shared",)) not in read
    assert read["larder_breaker_state", ("db",)] == 2
    assert read["larder_requests_in_flight", ()] == 3


def test_money_is_told_in_its_unit_by_route() -> None:
    read = {(name, labels): value for name, labels, value in samples(_program(WHOLE))}
    assert read["larder_cost_total", ("scenes", "credits")] == 1
    assert read["larder_saved_total", ("scenes", "credits")] == 19.5
    assert read["larder_alert_firing", ("low",)] == 0


def test_without_a_shared_store_nothing_is_said_of_one() -> None:
    read = {name for name, _, _ in samples(_program(CacheStatus(memory=WHOLE.memory)))}
    assert not {name for name in read if "shared" in name or "journal" in name}


@pytest.mark.parametrize("name", METRICS)
def test_every_family_of_the_table_is_fed(name: str) -> None:
    """Counted from records and operations, or read from the parts: none is only documented."""
    metrics = Metrics("1")
    metrics.rules_loaded("abc", 1.0)
    metrics.operation(Tier.SHARED, "get", "ok", 0.001)
    metrics.observe(hit(aborted=True, request_bytes=1))
    metrics.observe(miss(stored=True, not_stored=NotStored.PRIVATE, reason=NotStored.PRIVATE))
    metrics.observe(miss(collapsed=True))
    sample = f"{name}_count" if METRICS[name].kind == "histogram" else name
    lines = metrics.exposition("", samples(_program(WHOLE)))[0].decode().splitlines()
    assert any(line.startswith((f"{sample}{{", f"{sample} ")) for line in lines)
