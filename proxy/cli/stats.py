"""`larder stats`: what the running cache was worth, per route."""

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


def _arguments(parser: argparse.ArgumentParser) -> None:
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    stats: dict[str, Any] = admin_client(args, env).get("/api/stats")
    if args.json:
        print_json(stats)
        return 0
    print(f"since {seconds(stats['uptime_s'])} ago; time saved is an estimate\n")
    rows = [_row(name, route) for name, route in stats["routes"].items()]
    print_table(_HEAD, [*rows, _row("total", stats["total"])])
    return 0


def _row(name: str, route: dict[str, Any]) -> tuple[str, ...]:
    rate = route["hit_rate"]
    return (
        name or "(no upstream)",
        str(route["requests"]),
        "-" if rate is None else f"{rate:.1%}",
        str(route["upstream_calls"]),
        size(route["saved_bytes"]),
        seconds(route["saved_s"]),
    )


COMMAND = Command(
    help="show hit rates and savings of the running Larder",
    description="Show requests, hit rates, bytes and time saved, per route and in all.",
    arguments=_arguments,
    run=_run,
)
