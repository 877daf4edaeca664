"""The table of metrics keeps Prometheus's customs and bounded labels."""

from __future__ import annotations

import pytest

from proxy.edges.families import METRICS

BOUNDED = frozenset(
    {"route", "outcome", "status_class", "tier", "reason", "end", "upstream", "op", "result"}
    | {"digest", "version", "python", "unit", "alert", "lane"}
)


@pytest.mark.parametrize("name", METRICS)
def test_names_units_and_labels(name: str) -> None:
    family = METRICS[name]
    assert name.startswith("larder_")
    assert (family.kind == "counter") == name.endswith("_total")
    assert family.kind != "histogram" or name.endswith("_seconds")
    assert set(family.labels) <= BOUNDED
    assert family.help
    assert not family.help.endswith(".")
