"""Problem documents (RFC 9457): the one shape in which every error of our own is told.

Floor 0. `detail` names the remedy and holds no secret; `members` say more, for programs.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

CONTENT_TYPE: Final = "application/problem+json"
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def problem(status: int, detail: str, title: object = "", **members: object) -> bytes:
    """The document; its `title` is the status's phrase unless given (§3.1.3)."""
    content = {
        "type": "about:blank",
        "title": title or phrase(status),
        "status": status,
        "detail": detail,
        **members,
    }
    return json.dumps(content, indent=2).encode() + b"\n"


def phrase(status: int) -> str:
    """The registered phrase of a status; "" for one that has none."""
    return _PHRASES.get(status, "")
