"""The defaults of `dedupe` are those of the user's page."""

from __future__ import annotations

from proxy.rules.dedupe import Dedupe


def test_it_is_available_while_the_store_is_not_and_sends_nothing_twice_in_doubt() -> None:
    rule = Dedupe(window=600.0)
    assert (rule.forward_when_down, rule.forward_unkeyed) == (True, True)
    assert not rule.forward_in_doubt
