"""The subject of a rule: one request, and its answer once there is one.

Floor 2. Selectors read it. Everything that must be parsed is parsed when first
asked for, once per request, and kept in `RequestFacts`, which all subjects of
the request share. Session ids and credentials leave this file only as keyed
digests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final, Protocol

from proxy.messages import Request, Response
from proxy.rules.forms import FormField, is_too_much, parse_form
from proxy.rules.values import (
    MISSING,
    Json,
    Value,
    canonical,
    delimit,
    encode,
    is_too_much_json,
    parse_json,
    to_text,
)
from proxy.rules.wire import QueryPair, cookies, query_pairs

NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_DIGEST_CHARACTERS: Final = 24
_ABSENT: Final = b"\xff"


class Readable(Protocol):
    """What a subject needs of a selector."""

    @property
    def text(self) -> str:
        """The selector as written."""

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""

    def overlooks(self, facts: RequestFacts) -> bool:
        """Whether what it reads may be in what was not parsed."""

    def read(self, subject: Subject) -> Value:
        """Its value for this subject."""


def keyed_digest(secret: bytes, purpose: bytes, content: bytes) -> str:
    """HMAC-SHA-256 in hex: tells nothing of a secret without the proxy's own."""
    return hmac.new(secret, delimit((purpose, content)), hashlib.sha256).hexdigest()


def session_digest(secret: bytes, session: str) -> str:
    """How a session id appears in keys, tags and logs."""
    return keyed_digest(secret, b"session", encode(session))[:_DIGEST_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a route finds session and credential, and the secret their digests are keyed with."""

    secret: bytes = field(repr=False)
    session: tuple[Readable, ...] = ()
    credentials: tuple[Readable, ...] = ()
    jwt_key: bytes | None = field(default=None, repr=False)
    issued: str = ""
    """The one of `session`, as text, whose ids the proxy issues: see `Request.session`."""
    _fields: Mapping[str, Readable] = field(init=False, repr=False, compare=False)
    _parameters: frozenset[str] = field(init=False, repr=False, compare=False)
    _others: tuple[Readable, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the credentials by where they are: there are many, and few in any one request."""
        roots = {"header": {}, "query": {}}  # type: dict[str, dict[str, Readable]]
        others: list[Readable] = []
        for source in self.credentials:
            root, _, name = source.text.partition(".")
            if root in roots:
                roots[root][name.lower()] = source
            else:
                others.append(source)
        object.__setattr__(self, "_fields", roots["header"])
        object.__setattr__(self, "_parameters", frozenset(roots["query"]))
        object.__setattr__(self, "_others", tuple(others))

    @property
    def all(self) -> tuple[Readable, ...]:
        """Every selector here."""
        return (*self.session, *self.credentials)

    def shown(self, subject: Subject) -> list[tuple[str, Value]]:
        """The credentials a request carries, by name. A parameter's case does not matter."""
        fields = self._fields
        there = [name for name in subject.request.fields.lowered if name in fields]
        if len(there) > 1:
            there = sorted(set(there))
        found = [(fields[name].text, fields[name].read(subject)) for name in there]
        if self._parameters and "?" in subject.request.target:
            found += [
                (f"query.{pair.name.lower()}", pair.value)
                for pair in sorted(subject.facts.query, key=_parameter)
                if pair.name.lower() in self._parameters
            ]
        if not self._others:
            return found
        read = ((source.text, source.read(subject)) for source in self._others)
        return found + [(text, value) for text, value in read if value is not MISSING]


def _parameter(pair: QueryPair) -> str:
    return pair.name.lower()


@dataclass
class RequestFacts:
    """A request with what was parsed of it."""

    request: Request

    @cached_property
    def query(self) -> tuple[QueryPair, ...]:
        """The pairs of the query in order."""
        return query_pairs(self.request.query)

    @cached_property
    def cookies(self) -> Mapping[str, tuple[str, ...]]:
        """Cookie values by name."""
        return cookies(self.request.fields)

    @cached_property
    def json(self) -> Value:
        """The body as JSON; MISSING if it has not been read, is not JSON, or is too much."""
        body = self.request.body
        return MISSING if not body or self.skips_json else parse_json(body)

    @cached_property
    def form(self) -> tuple[FormField, ...] | None:
        """The fields of a form in order; None if the body is none, or too much of one."""
        body = self.request.body or b""
        return None if self.skips_form else parse_form(self._content_type, body)

    @cached_property
    def skips_json(self) -> bool:
        """Whether the body is not parsed as JSON because of its size or its number of values."""
        return is_too_much_json(self.request.body or b"")

    @cached_property
    def skips_form(self) -> bool:
        """Whether the body is a form that is not parsed because of its size or its fields."""
        return is_too_much(self._content_type, self.request.body or b"")

    @property
    def _content_type(self) -> str:
        return self.request.fields.get("content-type") or ""

    def forget(self) -> None:
        """Let go of what was parsed of a body, which is many times its size."""
        self.__dict__.pop("json", None)
        self.__dict__.pop("form", None)


@dataclass
class Subject:
    """What selectors read: a routed request, its path parameters, and perhaps its answer.

    Nobody changes one; what is read of it is made once. It is not frozen: that would be dear.
    `guessed`: its route was chosen without what is in a body that is too much to parse.
    """

    facts: RequestFacts
    sources: Sources
    params: Mapping[str, str] = field(default_factory=lambda: NO_PARAMS)
    guessed: bool = False
    response: Response | None = None
    response_body: bytes | None = None
    item: Value = MISSING

    request: Request = field(init=False, repr=False, compare=False)
    """The routed request."""

    def __post_init__(self) -> None:
        """Put what is read most within reach."""
        self.request = self.facts.request

    def with_response(self, response: Response, body: bytes | None) -> Subject:
        """The same request with this answer; `body` is None while it is not complete."""
        return Subject(
            self.facts, self.sources, self.params, self.guessed, response, body, self.item
        )

    def with_item(self, item: Json) -> Subject:
        """The same, speaking of one item of a list; what was parsed stays parsed."""
        made = copy(self)
        made.item = item
        return made

    @property
    def as_get(self) -> Subject:
        """The same asked by GET: what a HEAD is about, and some POSTs (RFC 9110 §9.3.2-3)."""
        asked = replace(self.request, method="GET", body=b"")
        return replace(self, facts=RequestFacts(asked))

    @cached_property
    def response_json(self) -> Value:
        """The answer's body as JSON, or MISSING."""
        return parse_json(self.response_body) if self.response_body else MISSING

    @cached_property
    def session(self) -> str | None:
        """The session id, which is a secret: use `session_digest` for anything that is kept."""
        for source in self.sources.session:
            is_own = source.text == self.sources.issued
            value = self.request.session if is_own else source.read(self)
            if value is not MISSING and value not in ("", None):
                return to_text(value)
        return None

    @cached_property
    def session_digest(self) -> str | None:
        """The session as it may appear in keys, tags and logs."""
        return None if self.session is None else session_digest(self.sources.secret, self.session)

    @cached_property
    def credential(self) -> str | None:
        """A keyed digest of every credential the request carries; None if it carries none."""
        found = self.sources.shown(self)
        if not found:
            return None
        parts = [part for text, value in found for part in (encode(text), _part(value))]
        return keyed_digest(self.sources.secret, b"credential", delimit(parts))

    def digest(self, value: Json) -> str:
        """A secret value as it may appear in keys and tags."""
        return keyed_digest(self.sources.secret, b"value", canonical(value))[:_DIGEST_CHARACTERS]


def _part(value: Value) -> bytes:
    return _ABSENT if value is MISSING else canonical(value)
