"""CORS: what browsers are told about pages of other origins (Fetch standard, §3.2).

Pure. What an upstream says of it is replaced: it knows neither the proxy's origin nor whom an
answer is for. Nothing of it is stored; each client's answer is dressed on its way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.fields import Fields

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.rules.cors import Cors

_PREFIX = "access-control-"
_WANTED = "access-control-request-method"


def is_preflight(request: Request) -> bool:
    """Whether a browser asks by it what a page of another origin may do."""
    fields = request.fields
    return request.method == "OPTIONS" and "origin" in fields and _WANTED in fields


def allowed(cors: Cors, request: Request) -> bool:
    """Whether the page that asks is of an allowed origin."""
    origin = request.fields.get("origin")
    return origin is not None and cors.allows(origin)


def dressed(cors: Cors, request: Request, _status: int, fields: Fields) -> Fields:
    """The fields of the answer to this request, whatever its status, with what `cors` says."""
    lines = [line for line in fields if not line[0].lower().startswith(_PREFIX)]
    if not cors.everybody and not _varies_by_origin(fields):
        lines.append(("Vary", "Origin"))
    if cors.everybody:
        lines.append(("Access-Control-Allow-Origin", "*"))
    elif allowed(cors, request):
        lines.append(("Access-Control-Allow-Origin", request.fields.get("origin") or ""))
    else:
        return Fields(lines)
    if cors.credentials:
        lines.append(("Access-Control-Allow-Credentials", "true"))
    if not is_preflight(request):
        lines.append(("Access-Control-Expose-Headers", ", ".join(cors.expose)))
        return Fields(lines)
    return Fields(
        (
            *lines,
            ("Access-Control-Allow-Methods", ", ".join(cors.methods)),
            ("Access-Control-Allow-Headers", ", ".join(cors.headers)),
            ("Access-Control-Max-Age", str(int(cors.max_age))),
        )
    )


def _varies_by_origin(fields: Fields) -> bool:
    named = (fields.get("vary") or "").lower().split(",")
    return any(name.strip() in {"origin", "*"} for name in named)
