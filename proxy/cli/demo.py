"""`larder demo`: simulated upstreams behind a real proxy, and what it saved."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.cli.command import Command, CommandError, Environment, json_option, print_json


def _arguments(parser: argparse.ArgumentParser) -> None:
    json_option(parser)


def _run(args: argparse.Namespace, _env: Environment) -> int:
    # Not above: every command imports this file, and the simulated upstreams are large.
    from proxy import demo  # noqa: PLC0415
    from proxy.sim.tours import DemoError  # noqa: PLC0415

    if not args.json:
        return demo.main()
    with TemporaryDirectory(prefix="larder-demo-") as folder:
        try:
            savings = asyncio.run(demo.demo(demo.shipped_rules(), Path(folder)))
        except DemoError as error:
            raise CommandError(str(error)) from error
    print_json([asdict(saving) for saving in savings])
    return 0 if all(saving.hits for saving in savings) else 1


COMMAND = Command(
    help="see it work with simulated upstreams, no account needed",
    description="Start simulated upstreams and a proxy on free ports of this machine, send "
    "some traffic, and print what was saved. Exit code 1 if an upstream's answers were not reused.",
    arguments=_arguments,
    run=_run,
)
