"""Secrets out of everything an operator reads: log lines, entries, explain, errors.

Goes by the names of `rules/secrets.py`, and knows userinfo in URLs and the
authentication schemes of RFC 9110 §11; nothing of where the text comes from.
Invariant: what is not a secret stays as it was, byte for byte.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from proxy.rules.secrets import PARAMETER, is_secret_parameter

HIDDEN: Final = "***"

_IN_TEXT: Final = re.compile(
    rf"""(?P<param> [?&;] (?:{PARAMETER}) = ) [^&;\s"'<>]+
      | (?P<user> :// [^/\s:@]* : ) [^@\s/]+ (?=@)
      | (?P<scheme> \b (?:bearer|basic|digest|apikey) \s+ ) [\w.~+/=-]{{6,}}""",
    re.VERBOSE | re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether a query parameter of this name (percent-encoded or not) carries a credential."""
    return is_secret_parameter(unquote(name))


def redact_url(url: str) -> str:
    """The URL or target with the values of secret parameters and any password hidden."""
    head, mark, query = url.partition("?")
    head = redact_text(head) if "@" in head else head
    if not query:
        return head + mark
    return head + mark + "&".join(_redact_pair(pair) for pair in query.split("&"))


def _redact_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return f"{name}={HIDDEN}" if equals and value and is_secret_name(name) else pair


def redact_text(text: str) -> str:
    """Free text (a message, a traceback) with what looks like a secret hidden."""
    return _IN_TEXT.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{HIDDEN}"
