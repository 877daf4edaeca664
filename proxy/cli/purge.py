"""`larder purge`: make stored answers of the running Larder unusable, everywhere at once."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.cli.client import admin_client, admin_option
from proxy.cli.command import Command, Environment, json_option, print_json

_SELECTIONS = {
    "tag": ("TAG", "every answer with this tag; may be given again for more tags"),
    "prefix": ("TEXT", "every answer whose key head begins so, as `larder entries` shows it"),
    "route": ("NAME", "every answer of this route"),
    "session": ("ID", "every answer of this session id"),
    "url": ("URL", "every answer for this URL of the proxy, all variants"),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    for name, (metavar, text) in _SELECTIONS.items():
        action = "append" if name == "tag" else "store"
        what.add_argument(f"--{name}", metavar=metavar, help=text, action=action)
    what.add_argument("--all", action="store_true", help="everything")
    parser.add_argument(
        "--unless-etag", metavar="ETAG", help="beside --tag: spare what has this ETag"
    )
    parser.add_argument("--dry-run", action="store_true", help="only count what would go")
    parser.add_argument(
        "--soft", action="store_true", help="make it stale instead: it may still stand in on errors"
    )
    parser.add_argument(
        "--wait", action="store_true", help="return once every live instance has followed"
    )
    admin_option(parser)
    json_option(parser)


def _body(args: argparse.Namespace) -> dict[str, object]:
    given: dict[str, object] = {
        "tags": args.tag,
        "prefix": args.prefix,
        "route": args.route,
        "session": args.session,
        "url": args.url,
        "all": args.all or None,
        "unless_etag": args.unless_etag,
    }
    flags = {name: True for name in ("dry_run", "soft", "wait") if getattr(args, name)}
    return {name: value for name, value in given.items() if value is not None} | flags


def _run(args: argparse.Namespace, env: Environment) -> int:
    answer = admin_client(args, env).post("/api/purge", _body(args))
    if args.json:
        print_json(answer)
    else:
        print(_sentence(answer))
    return 0


def _sentence(answer: dict[str, Any]) -> str:
    count = answer["count"]
    what = "stored answers" if count is None else f"{count} stored answer{'s' * (count != 1)}"
    if answer["dry_run"]:
        return f"would purge {what}"
    verb = "made stale" if answer["soft"] else "purged"
    where = f"journal position {answer['position']}" if answer["position"] else "in this instance"
    return f"{verb} {what}, {where}"


COMMAND = Command(
    help="purge stored answers of the running Larder",
    description="Purge stored answers: exactly one of the selections. One append to the journal, "
    "however many answers; every instance on the same store obeys.",
    arguments=_arguments,
    run=_run,
)
