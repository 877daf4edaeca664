"""`larder explain`: why a request is a hit, a miss or a bypass; from the rules, or live."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from proxy import rules
from proxy.cli.client import admin_client, admin_option
from proxy.cli.command import (
    Command,
    CommandError,
    Environment,
    json_option,
    print_json,
    rules_option,
    seconds,
    size,
)
from proxy.edges import explain
from proxy.edges.problem import ApiError
from proxy.edges.settings import read_settings
from proxy.errors import SettingsError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="GET, POST, …")
    parser.add_argument(
        "url", metavar="URL", help="a URL of the proxy, or its path: /openai/v1/models"
    )
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'Name: value'",
        help="may be repeated",
    )
    parser.add_argument("-d", "--data", metavar="BODY|@FILE", help="request body; @- is stdin")
    rules_option(parser)
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask the running Larder: also what is stored, and the plan",
    )
    admin_option(parser)
    json_option(parser)


def _run(args: argparse.Namespace, env: Environment) -> int:
    lines = [_field(text) for text in args.header]
    body = _body(args.data)
    if args.live or args.admin is not None:
        said: dict[str, Any] = admin_client(args, env).post(
            "/api/explain", _members(args, lines, body)
        )
    else:
        path = Path(args.rules) if args.rules else read_settings(env).rules
        said = _offline(path, env, args, lines, body)
    if args.json:
        print_json(said)
    else:
        print("\n".join(as_text(said)))
    return 0


def _offline(
    path: Path,
    env: Environment,
    args: argparse.Namespace,
    lines: list[tuple[str, str]],
    body: str,
) -> dict[str, Any]:
    config = rules.load(path, env)
    try:
        request = explain.make_request(args.method, args.url, lines, body)
    except ApiError as error:
        raise SettingsError(str(error)) from None
    return explain.explain(config, request).said


def _members(
    args: argparse.Namespace, lines: list[tuple[str, str]], body: str
) -> dict[str, object]:
    headers: dict[str, list[str]] = {}
    for name, value in lines:
        headers.setdefault(name, []).append(value)
    return {"method": args.method, "url": args.url, "headers": headers, "body": body}


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise SettingsError("-H: must be 'Name: value', as in -H 'Accept: application/json'")
    return name.strip(), value.strip()


def _body(data: str | None) -> str:
    if data is None or not data.startswith("@"):
        return data or ""
    try:
        return sys.stdin.read() if data == "@-" else Path(data[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"-d: cannot read {data[1:]}: {error}") from None


def as_text(said: dict[str, Any]) -> list[str]:
    """The lines of an explanation for a person."""
    lines = [f"{said['method']} {said['url']}"]
    if said["upstream"] is None:
        return [*lines, "no upstream is mounted there:", *_indented(said["mounted"].items())]
    lines += [f"upstream  {said['upstream']}, target {said['target']}"]
    lines += [f"  not     {item['route']}: {item['why']}" for item in said["passed_over"]]
    lines += [f"route     {said['route']}", f"ttl       {_ttl(said['ttl'])}"]
    if said["dedupe"] is not None:
        lines += [f"dedupe    {_ttl(said['dedupe'])}"]
    tags = said["tags"]
    told = "known only with the answer" if tags is None else ", ".join(tags)
    lines += [f"tags      {told}"]
    lines += _session(said.get("session"))
    if said["bypass"] is not None:
        lines += [f"bypass    {said['bypass']['reason']}: {said['bypass']['sentence']}"]
    else:
        key = said["key"]
        lines += [
            f"scope     {said['scope']}",
            f"key       {key['head']}",
            f"          {key['digest']}",
        ]
        lines += _indented(key["parts"])
    return lines + _live(said)


def _session(told: dict[str, Any] | None) -> list[str]:
    """What the route makes of the session; nothing if it asks for none."""
    if told is None:
        return []
    digest = told["digest"] or "none"
    if told["issued"] is not None:
        return [f"session   none: a new one is issued in {told['issued']}"]
    if "life" not in told:
        return [f"session   {digest}"]
    life = told["life"]
    if life is None:
        return [f"session   {digest}, its life begins with this request"]
    return [f"session   {digest}, age {seconds(life['age_s'])}, idle {seconds(life['idle_s'])}"]


def _indented(pairs: Any) -> list[str]:  # noqa: ANN401 - pairs of JSON
    return [f"          {name}: {value}" for name, value in pairs]


def _ttl(ttl: Any) -> str:  # noqa: ANN401 - JSON
    return (
        ttl if isinstance(ttl, str) else ", ".join(f"{name} {value}" for name, value in ttl.items())
    )


def _live(said: dict[str, Any]) -> list[str]:
    if said.get("plan") is None:
        return []
    lines = []
    stored = said["stored"]
    if stored is not None:
        lines.append(
            f"stored    in {stored['tier']}, status {stored['status']}, "
            f"{size(stored['body_bytes'])}, ttl {seconds(stored['ttl_s'])}"
        )
        if said["by_alias"]:
            lines.append(f"          an alias led to it: {stored['route']}, {stored['head']}")
    plan = said["plan"]
    what = plan.get("outcome") or plan.get("forward") or plan.get("status") or ""
    why = f": {plan['sentence']}" if "sentence" in plan else ""
    return [*lines, f"plan      {plan['do']}{what and f', {what}'}{why}"]


COMMAND = Command(
    help="tell why a request is a hit, a miss or a bypass",
    description="Tell what the rules make of a request: upstream, route and why earlier ones did "
    "not match, key and its parts, scope, ttl, tags, or why it is bypassed. With --live (or "
    "--admin) the running Larder tells also what is stored and what it would do.",
    arguments=_arguments,
    run=_run,
)
