"""`larder check`: every mistake of a rule file at once, each with its place and its remedy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from proxy import rules
from proxy.cli.command import Command, Environment, json_option, print_json
from proxy.edges.listing import routes_of
from proxy.edges.settings import read_settings
from proxy.rules.compiled import Config
from proxy.rules.problems import Problem, RuleFileError
from proxy.rules.warm import warnings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "rules", nargs="?", metavar="FILE", help="the rule file (LARDER_RULES; else rules.yaml)"
    )
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    path = Path(args.rules) if args.rules else read_settings(env).rules
    try:
        config = rules.load(path, env)
    except RuleFileError as error:
        if not args.json:
            raise
        print_json(_report(path, error.problems))
        return 1
    if args.json:
        print_json(_report(path, (), config))
    else:
        print(_summary(path, config))
        for warning in warnings(config.warm):
            print(f"warning: {warning}")
    return 0


def _report(
    path: Path, problems: Sequence[Problem], config: Config | None = None
) -> dict[str, object]:
    return {
        "file": str(path),
        "ok": not problems,
        "problems": [asdict(problem) for problem in problems],
        "upstreams": _counts(config) if config is not None else None,
        "warnings": list(warnings(config.warm)) if config is not None else [],
    }


def _counts(config: Config) -> dict[str, int]:
    return {upstream.name: len(routes_of(config, upstream)) for upstream in config.upstreams}


def _summary(path: Path, config: Config) -> str:
    counts = _counts(config)
    routes = sum(counts.values())
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"{path} is right: {_plural(len(counts), 'upstream')}, {_plural(routes, 'route')} ({each})"
    )


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


COMMAND = Command(
    help="check a rule file",
    description="Check a rule file: every mistake as FILE:LINE:COLUMN with its remedy. "
    "Exit code 1 if there is one.",
    arguments=_arguments,
    run=_run,
)
