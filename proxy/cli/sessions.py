"""`larder sessions`: who uses the running cache, and what it was worth to them.

Invariant: sessions are listed by digests; an id that is given to be cleared is sent, not shown.
"""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from typing import Any, Final

from proxy.cli.client import AbsentError, AdminClient, admin_client, admin_option
from proxy.cli.command import (
    Command,
    Environment,
    json_option,
    print_json,
    print_table,
    seconds,
)
from proxy.errors import SettingsError

_HEAD: Final = ("session", "entries", "hits", "misses", "hit rate", "age", "idle", "counted")
_DIGEST: Final = re.compile("[0-9a-f]{24}")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "show", "clear"),
        help="list them (the default), show one, or clear one everywhere",
    )
    parser.add_argument(
        "session", nargs="?", metavar="DIGEST", help="which one; clear takes a session id, too"
    )
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="list at most N (50)")
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    if (args.action == "list") != (args.session is None):
        named = "takes no session" if args.action == "list" else "needs a session's digest"
        raise SettingsError(f"{args.action} {named}")
    client = admin_client(args, env)
    match args.action:
        case "list":
            told = client.get("/api/sessions", {"limit": str(args.limit)})
        case "show":
            told = client.get(f"/api/sessions/{_digest(args.session)}")
        case _:
            told = _clear(client, args.session)
    if args.json:
        print_json(told)
    else:
        _print(args.action, told)
    return 0


def _digest(text: str) -> str:
    if _DIGEST.fullmatch(text) is None:
        raise SettingsError("show needs a digest, 24 characters of 0-9a-f, as `list` prints it")
    return text


def _clear(client: AdminClient, session: str) -> dict[str, Any]:
    """By digest, if it is one of a session; else by id."""
    if _DIGEST.fullmatch(session):
        with suppress(AbsentError):  # it may be an id of this form
            return client.delete(f"/api/sessions/{session}")
    return client.post("/api/purge", {"session": session})


def _print(action: str, told: dict[str, Any]) -> None:
    match action:
        case "list":
            print_table(_HEAD, [_row(each) for each in told["sessions"]])
            if (more := told["count"] - len(told["sessions"])) > 0:
                print(f"\n{more} more: --limit N")
        case "show":
            print_table(_HEAD, [_row(told)])
        case _:
            count = told["count"]
            many = "" if count is None else f"{count} "
            print(f"cleared the session, {many}stored answer{'s' * (count != 1)} purged")


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    rate = told["hit_rate"]
    return (
        told["session"],
        "-" if told["entries"] is None else str(told["entries"]),
        str(told["hits"]),
        str(told["misses"]),
        "-" if rate is None else f"{rate:.1%}",
        seconds(told["age_s"]),
        seconds(told["idle_s"]),
        ", ".join(f"{name} {count}" for name, count in sorted(told["counts"].items())) or "-",
    )


COMMAND = Command(
    help="list, show or clear the sessions of the running Larder",
    description="Show for each session what is stored, hits and misses, how old it is and how "
    "long unused; or clear one: on every instance nothing stored in it is served again.",
    arguments=_arguments,
    run=_run,
)
