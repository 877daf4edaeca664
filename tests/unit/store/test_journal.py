from __future__ import annotations

from proxy.store.base import Fact, FactKind
from proxy.store.journal import Pending

A, B, C = (Fact(FactKind.TAG, name) for name in "abc")


def test_a_fact_stated_again_while_it_is_appended_waits_again() -> None:
    pending = Pending()
    pending.add([A, B])
    taken = pending.snapshot()
    pending.add([A])
    pending.settle(taken)
    assert tuple(pending.snapshot()) == (A,)


def test_too_many_become_a_purge_of_all() -> None:
    pending = Pending(limit=2)
    pending.add([A, B])
    taken = pending.snapshot()
    pending.add([C])
    assert tuple(pending.snapshot()) == (Fact(FactKind.TAG, "*"),)
    pending.settle(taken)
    assert len(pending) == 1
