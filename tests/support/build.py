"""Requests, responses and stored responses with defaults, for rows of a table.

A row names only what it is about; everything else here is the plainest case
there is: a GET of /, answered 200 at NOW, stored fresh for a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from proxy.fields import NO_FIELDS, Fields
from proxy.messages import Request, Response, StoredResponse
from tests.support.clock import NOW

FieldLines = Mapping[str, str] | Iterable[tuple[str, str]]

_REQUEST = Request(method="GET", target="/", authority="larder.test", peer="127.0.0.1")
_RESPONSE = Response(status=200, request_time=NOW, response_time=NOW)
_STORED = StoredResponse(
    status=200,
    fields=NO_FIELDS,
    body=b"stored",
    request_time=NOW,
    response_time=NOW,
    lifetime=60.0,
    route="route",
    url="/",
)


def as_fields(lines: FieldLines = ()) -> Fields:
    """Fields from a mapping, from pairs, or as they are."""
    return Fields(lines.items() if isinstance(lines, Mapping) else lines)


def as_bytes(body: object) -> bytes:
    """Bytes as they are, text as UTF-8, anything else as compact JSON."""
    match body:
        case bytes():
            return body
        case str():
            return body.encode()
        case _:
            return json.dumps(body, separators=(",", ":")).encode()


def request(
    method: str = "GET",
    target: str = "/",
    *,
    fields: FieldLines = (),
    body: object = b"",
    **changes: Any,
) -> Request:
    """A request; `body` as in `as_bytes`, and None where it has not been read."""
    content = None if body is None else as_bytes(body)
    return replace(
        _REQUEST, method=method, target=target, fields=as_fields(fields), body=content, **changes
    )


def response(
    status: int = 200,
    *,
    fields: FieldLines = (),
    **changes: Any,
) -> Response:
    """The head of an answer, asked for and received at NOW."""
    return replace(_RESPONSE, status=status, fields=as_fields(fields), **changes)


def stored(
    body: object = b"stored",
    *,
    fields: FieldLines = (),
    **changes: Any,
) -> StoredResponse:
    """A stored response, received at NOW and fresh for a minute; `body` as in `as_bytes`."""
    return replace(_STORED, body=as_bytes(body), fields=as_fields(fields), **changes)
