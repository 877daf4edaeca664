"""`larder entries`: list what the running Larder has stored, show one, delete one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from proxy.cli.client import AdminClient, admin_client, admin_option
from proxy.cli.command import (
    Command,
    Environment,
    json_option,
    plain,
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
_HEAD = ("key", "head", "route", "tier", "status", "size", "hits", "cost", "state", "ttl")


def _arguments(parser: argparse.ArgumentParser) -> None:
    for name, (metavar, text) in _FILTERS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=text)
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most N (50)")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--show", metavar="KEY", help="tell all of the one under this key")
    one.add_argument("--delete", metavar="KEY", help="drop the one under this key")
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    admin = admin_client(args, env)
    if args.show is not None:
        return _show(admin.get(f"/api/entries/{args.show}"), as_json=args.json)
    if args.delete is not None:
        return _delete(admin, args.delete, as_json=args.json)
    query = {name: value for name in _FILTERS if (value := getattr(args, name)) is not None}
    page: dict[str, Any] = admin.get("/api/entries", {**query, "limit": str(args.limit)})
    if args.json:
        print_json(page)
        return 0
    print_table(_HEAD, [_row(entry) for entry in page["entries"]])
    if page["cursor"]:
        print(f"\nmore: --cursor {page['cursor']}")
    return 0


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry["key"][:16],
        entry["head"],
        entry["route"],
        entry["tier"],
        str(entry["status"] or entry["kind"]),
        size(entry["body_bytes"]),
        "-" if entry["hits"] is None else str(entry["hits"]),
        f"{entry['cost']:g}" if entry["cost"] else "-",
        entry["state"],
        seconds(entry["ttl_s"]),
    )


def _show(entry: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(entry)
        return 0
    created = entry["created_at"]
    said = {
        **{name: entry[name] for name in ("key", "head", "url", "route", "provider", "scope")},
        "session": entry.get("session"),
        **{name: entry[name] for name in ("tier", "status", "state", "hits", "cost")},
        "size": size(entry["body_bytes"]),
        "created": datetime.fromtimestamp(created, UTC).isoformat() if created else None,
        "fresh for": seconds(entry["ttl_s"]),
        "gone in": seconds(entry["expires_s"]),
        "tags": ", ".join(entry["tags"]),
        **{f"param {name}": value for name, value in entry["params"].items()},
    }
    width = max(map(len, said))
    for name, value in said.items():
        print(f"{plain(name):<{width}}  {'-' if value is None else plain(str(value))}")
    return 0


def _delete(admin: AdminClient, key: str, *, as_json: bool) -> int:
    told = admin.delete(f"/api/entries/{key}")
    if as_json:
        print_json(told)
    else:
        print(f"dropped {told['key']}")
    return 0


COMMAND = Command(
    help="list what the running Larder has stored, show one, drop one",
    description="List stored answers, without their bodies. Filters are combined.",
    arguments=_arguments,
    run=_run,
)
