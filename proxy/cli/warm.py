"""`larder warm`: fetch now what the rules want to be warm, and see what came of it."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from proxy.cli.client import AdminClient, admin_client, admin_option
from proxy.cli.command import (
    Command,
    CommandError,
    Environment,
    json_option,
    print_json,
    print_table,
    seconds,
)

_HEAD: Final = ("get", "every", "status", "ago")
_PAUSE_S: Final = 0.2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force",
        action="store_true",
        help="fetch again what would not be fresh until its next time",
    )
    parser.add_argument("--wait", action="store_true", help="return once all is fetched")
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    client = admin_client(args, env)
    told: dict[str, Any] = client.post("/api/warm", {"force": True} if args.force else {})
    if args.wait:
        told = _waited(client, told)
    if args.json:
        print_json(told)
    else:
        _print(told)
    return 1 if told["failed"] else 0


def _waited(client: AdminClient, told: dict[str, Any]) -> dict[str, Any]:
    """Until what was begun is over; if somebody has begun anew meanwhile, that is told."""
    began_at = told["began_at"]
    while told["running"]:
        time.sleep(_PAUSE_S)
        told = client.get("/api/warm")
        if told["began_at"] != began_at:
            raise CommandError("warming was begun anew meanwhile; ask again for what came of it")
    return told


def _print(told: dict[str, Any]) -> None:
    print(f"{told['done']} warm, {told['failed']} failed, {told['left']} left")
    if told["entries"]:
        print()
        print_table(_HEAD, [_row(entry) for entry in told["entries"]])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    at = entry["at"]
    return (
        entry["get"],
        "-" if entry["every_s"] is None else seconds(entry["every_s"]),
        "-" if entry["status"] is None else str(entry["status"]),
        "-" if at is None else seconds(max(0.0, round(time.time() - at))),
    )


COMMAND = Command(
    help="fetch now what the rules keep warm",
    description="Fetch every entry of `warm` in the rules that is not stored. "
    "Exit code 1 if one failed.",
    arguments=_arguments,
    run=_run,
)
