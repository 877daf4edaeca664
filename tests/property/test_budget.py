"""The budget under any sequence of taking, giving, sharing and ending: exact to the byte."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.flow.budget import Budget, Lease

TOTAL = 60
SIZES = st.integers(0, TOTAL)


class Holder:
    """A lease, and by the model what it holds and how many own it."""

    def __init__(self, budget: Budget) -> None:
        self.lease, self.size, self.owners, self.forced = Lease(budget), 0, 1, 0


class Budgeting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(TOTAL)
        self.holders: list[Holder] = []

    def some(self, which: int) -> Holder:
        return self.holders[which % len(self.holders)]

    @property
    def held(self) -> int:
        return sum(holder.size for holder in self.holders)

    @rule()
    def one_begins(self) -> None:
        self.holders.append(Holder(self.budget))

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 5), size=SIZES)
    def take(self, which: int, size: int) -> None:
        holder, free = self.some(which), TOTAL - self.held
        assert holder.lease.take(size) == (holder.size + size <= free)
        holder.size = holder.lease.size

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 5), size=SIZES)
    def hold(self, which: int, size: int) -> None:
        holder = self.some(which)
        holder.lease.hold(size)
        holder.size += size
        holder.forced += size

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 5), size=SIZES)
    def give(self, which: int, size: int) -> None:
        holder = self.some(which)
        holder.lease.give(size)
        holder.size = max(0, holder.size - size)

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 5))
    def share(self, which: int) -> None:
        holder = self.some(which)
        assert holder.lease.share() is holder.lease
        holder.owners += 1

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 5))
    def end(self, which: int) -> None:
        holder = self.some(which)
        holder.lease.end()
        holder.owners -= 1
        if not holder.owners:
            holder.size = 0
            assert holder.lease.size == 0
            self.holders.remove(holder)

    @invariant()
    def what_is_held_is_what_the_holders_have(self) -> None:
        assert self.budget.held == self.held >= 0
        assert all(holder.lease.size == holder.size for holder in self.holders)

    @invariant()
    def only_what_had_to_be_held_passes_the_total(self) -> None:
        assert self.held <= TOTAL + sum(holder.forced for holder in self.holders)

    def teardown(self) -> None:
        """Whoever ends gives back all, in whatever state it is."""
        for holder in self.holders:
            for _ in range(holder.owners):
                holder.lease.end()
        assert self.budget.held == 0


TestBudgeting = Budgeting.TestCase
