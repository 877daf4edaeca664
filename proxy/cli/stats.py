"""`larder stats`: what the running cache was worth, per route, in time and in money."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli.client import admin_client, admin_option
from proxy.cli.command import (
    Command,
    Environment,
    json_option,
    print_json,
    print_table,
    seconds,
    size,
)

_HEAD = ("route", "requests", "hit rate", "upstream calls", "bytes saved", "time saved")
_MONEY = ("route", "requests", "hit rate", "spent", "saved", "unit")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reset", action="store_true", help="count from nothing again, on every instance"
    )
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    admin = admin_client(args, env)
    if args.reset:
        told = admin.post("/api/stats/reset", {})
        if args.json:
            print_json(told)
        else:
            print("reset: everything is counted from nothing again")
        return 0
    stats: dict[str, Any] = admin.get("/api/stats")
    if args.json:
        print_json(stats)
        return 0
    print(f"since {seconds(stats['uptime_s'])} ago; time saved is an estimate\n")
    rows = [_row(name, route) for name, route in stats["routes"].items()]
    print_table(_HEAD, [*rows, _row("total", stats["total"])])
    _print_money(stats["ledger"])
    for alert in stats["alerts"]:
        if alert["firing"]:
            print(f"\nalert {alert['name']}: hit rate {_percent(alert['hit_rate'])}")
    return 0


def _row(name: str, route: dict[str, Any]) -> tuple[str, ...]:
    return (
        name or "(no upstream)",
        str(route["requests"]),
        _percent(route["hit_rate"]),
        str(route["upstream_calls"]),
        size(route["saved_bytes"]),
        seconds(route["saved_s"]),
    )


def _print_money(ledger: dict[str, Any]) -> None:
    """What routes with a cost have spent and saved: all instances, before the start as well."""
    rows = [row for row in ledger["routes"] if row["unit"]]
    if not rows:
        return
    print("\nspent and saved, all instances, since the last reset\n")
    print_table(_MONEY, [_money(row["route"], row, row["unit"]) for row in rows])
    for unit in sorted({row["unit"] for row in rows}):
        of = [row for row in rows if row["unit"] == unit]
        spent, saved = (sum(row[name] for row in of) for name in ("spent", "saved"))
        print(f"total: {spent:.10g} {unit} spent, {saved:.10g} {unit} saved")
    unpriced = sum(row["unpriced"] for row in rows)
    if unpriced:
        print(f"the cost of {unpriced} more upstream answers is not known")


def _money(name: str, row: dict[str, Any], unit: str) -> tuple[str, ...]:
    amounts = (f"{row['spent']:.10g}", f"{row['saved']:.10g}")
    return (name, str(row["requests"]), _percent(row["hit_rate"]), *amounts, unit)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


COMMAND = Command(
    help="show hit rates, costs and savings of the running Larder",
    description="Show requests, hit rates, bytes, time and money saved, per route and in all.",
    arguments=_arguments,
    run=_run,
)
