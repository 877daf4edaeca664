"""The command `larder`: one file a command, one table of them.

Knows argparse and exit codes: 0 done, 1 the answer is no (rules are wrong, nothing
runs there), 2 the command line or a setting is wrong. Invariant: an error a user
can cause is one line on stderr that names the remedy, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from proxy import __version__
from proxy.cli import check, demo, entries, explain, purge, run, sessions, stats, warm
from proxy.cli.command import Command
from proxy.errors import LarderError, SettingsError
from proxy.rules.problems import RuleFileError

COMMANDS: dict[str, Command] = {
    "run": run.COMMAND,
    "check": check.COMMAND,
    "explain": explain.COMMAND,
    "purge": purge.COMMAND,
    "entries": entries.COMMAND,
    "sessions": sessions.COMMAND,
    "stats": stats.COMMAND,
    "warm": warm.COMMAND,
    "demo": demo.COMMAND,
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="larder",
        description="A transparent caching reverse proxy for APIs.",
        epilog="`larder COMMAND --help` says more of each. Settings: docs/operating.md.",
    )
    parser.add_argument("--version", action="version", version=f"larder {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(name, help=command.help, description=command.description)
        command.arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. A wrong command line exits with 2 by argparse."""
    args = build_parser().parse_args(argv)
    try:
        code = COMMANDS[args.command].run(args, os.environ)
        # Here, where a reader that has gone can still be answered for; at exit it is too late.
        sys.stdout.flush()
    except BrokenPipeError:
        # `larder entries | head`: the reader has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RuleFileError as error:
        # As it stands: editors and CI find `file:line:column:` at the beginning of a line.
        print(error, file=sys.stderr)
        return 1
    except SettingsError as error:
        return _fail(args.command, error, 2)
    except LarderError as error:
        return _fail(args.command, error, 1)
    except KeyboardInterrupt:
        return 130
    return code


def _fail(command: str, error: LarderError, code: int) -> int:
    for line in str(error).splitlines():
        print(f"larder {command}: {line}", file=sys.stderr)
    return code
