"""`larder run`: serve until told to stop."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from proxy.cli.command import Command, Environment, rules_option
from proxy.edges import app
from proxy.edges.settings import Settings, parse_setting, read_settings, unknown_settings
from proxy.errors import SettingsError


def _arguments(parser: argparse.ArgumentParser) -> None:
    rules_option(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to serve (LARDER_LISTEN)")
    parser.add_argument(
        "--admin", metavar="HOST:PORT", help="where the admin API listens (LARDER_ADMIN)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes; this version runs 1"
    )


def settings_for(args: argparse.Namespace, env: Environment) -> Settings:
    """The environment's settings, with the command line's in their place."""
    if args.workers != 1:
        raise SettingsError(
            f"--workers {args.workers}: this version runs one process; for more, start more "
            "instances that share one store (REDIS_URL) behind a load balancer"
        )
    settings = read_settings(env)
    changes: dict[str, object] = {}
    if args.rules is not None:
        changes["rules"] = Path(args.rules)
    for name, variable in (("listen", "LARDER_LISTEN"), ("admin", "LARDER_ADMIN")):
        text = getattr(args, name)
        if text is not None:
            changes[name] = parse_setting(variable, text, f"--{name}")
    return replace(settings, **changes)  # type: ignore[arg-type]  # each parser gives its field's type


def _run(args: argparse.Namespace, env: Environment) -> int:
    settings = settings_for(args, env)
    for warning in unknown_settings(env):
        print(f"larder run: {warning}", file=sys.stderr)
    return app.run(settings, env)


COMMAND = Command(
    help="serve",
    description="Serve until SIGTERM or SIGINT, which let requests under way end (LARDER_DRAIN). "
    "SIGHUP loads the rule file anew: whole, or not at all.",
    arguments=_arguments,
    run=_run,
)
