"""`larder entries`: list what the running Larder has stored."""

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

_FILTERS = {
    "prefix": ("TEXT", "whose key head begins so"),
    "tag": ("TAG", "with this tag"),
    "route": ("NAME", "of this route"),
    "session": ("ID", "of this session id"),
    "cursor": ("KEY", "the page after this one, as the last page said"),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    for name, (metavar, text) in _FILTERS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=text)
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most N (50)")
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    query = {name: value for name in _FILTERS if (value := getattr(args, name)) is not None}
    page: dict[str, Any] = admin_client(args, env).get(
        "/api/entries", {**query, "limit": str(args.limit)}
    )
    if args.json:
        print_json(page)
        return 0
    head = ("key", "head", "route", "tier", "status", "size", "ttl")
    print_table(head, [_row(entry) for entry in page["entries"]])
    if page["cursor"]:
        print(f"\nmore: --cursor {page['cursor']}")
    return 0


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry["key"][:16],
        entry["head"],
        entry["route"],
        entry["tier"],
        str(entry["status"] or "-"),
        size(entry["body_bytes"]),
        seconds(entry["ttl_s"]),
    )


COMMAND = Command(
    help="list what the running Larder has stored",
    description="List stored answers, without their bodies. Filters are combined.",
    arguments=_arguments,
    run=_run,
)
