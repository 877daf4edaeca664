"""Session ids that the proxy issues itself, and how long a session lives.

Floor 2. Pure: random bytes are handed in. An issued id is its random text and a MAC keyed with
the configuration's secret, so a client cannot choose one; what bears no valid MAC counts as
absent. Invariant: an issued id is between the client and this proxy: it is taken out of the
request before anything else reads it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy.caching.targeted import TARGETS
from proxy.fields import Fields
from proxy.rules.subject import keyed_digest
from proxy.rules.templates import visible
from proxy.rules.values import MISSING, encode, to_text

if TYPE_CHECKING:
    from proxy.rules.selectors import Selector
    from proxy.rules.subject import Subject

RANDOM_BYTES: Final = 24
"""Chance in an id: 192 bits, 32 characters."""

_MAC_CHARACTERS: Final = 32


class Carrier(StrEnum):
    """In what an issued id travels."""

    COOKIE = "cookie"
    HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """How ids are issued: `name` is the cookie's, or the field's in lower case.

    `max_age` is the cookie's life in seconds, None for as long as the browser runs. `cross_site`:
    pages of other sites may send it.
    """

    carrier: Carrier
    name: str
    secret: bytes = field(repr=False)
    max_age: float | None = None
    cross_site: bool = False

    @property
    def source(self) -> str:
        """The selector, as text, that reads it."""
        return f"{self.carrier}.{self.name}"

    def make(self, chance: bytes) -> str:
        """An id of these random bytes."""
        text = base64.urlsafe_b64encode(chance).decode("ascii")
        return f"{text}.{self._mac(text)}"

    def accepts(self, session: str) -> bool:
        """Whether this proxy, or another with its secret, issued it."""
        text, _, mac = session.rpartition(".")
        return hmac.compare_digest(encode(mac), self._mac(text).encode("ascii"))

    def _mac(self, text: str) -> str:
        return keyed_digest(self.secret, b"issued-session", encode(text))[:_MAC_CHARACTERS]

    def taken(self, fields: Fields) -> tuple[Fields, str | None]:
        """The fields without it, forged ones included, and the first id that was issued."""
        if self.carrier is Carrier.HEADER:
            values = fields.get_all(self.name)
            rest = fields.without(self.name) if values else fields
        else:
            rest, values = _without_cookie(fields, self.name)
        return rest, next((value for value in values if self.accepts(value)), None)

    def handed_out(self, fields: Fields, session: str, *, secure: bool) -> Fields:
        """The fields of an answer that gives the client its id; no cache may keep it."""
        out = fields.without(*TARGETS, "surrogate-control", "expires")
        out = out.with_set("Cache-Control", "private, no-store")
        if self.carrier is Carrier.HEADER:
            return out.with_set(self.name, session)
        return out.with_added("Set-Cookie", self._cookie(session, secure=secure))

    def _cookie(self, session: str, *, secure: bool) -> str:
        """The cookie's line (RFC 6265 §4.1)."""
        parts = [f"{self.name}={session}", "Path=/", "HttpOnly"]
        parts.append("SameSite=None" if self.cross_site else "SameSite=Lax")
        if self.max_age is not None:
            parts.append(f"Max-Age={max(1, int(self.max_age))}")
        if secure or self.cross_site or self.name.startswith(("__Secure-", "__Host-")):
            parts.append("Secure")
        return "; ".join(parts)


def without_issued(source: str, fields: Fields) -> Fields:
    """An upstream's answer without an id of the proxy's making; `source` as in `Sources.issued`.

    No upstream is told one, so what it sends would be a session of another client's.
    """
    carrier, _, name = source.partition(".")
    if carrier == Carrier.HEADER:
        return fields.without(name)
    if "set-cookie" not in fields:
        return fields
    return Fields(line for line in fields if not _sets(line, name))


def _sets(line: tuple[str, str], cookie: str) -> bool:
    """Whether a browser would send the cookie after this; one without a name is sent as it is."""
    name = line[1].partition(";")[0].lstrip("= \t").partition("=")[0]
    return line[0].lower() == "set-cookie" and name.strip() == cookie


def _without_cookie(fields: Fields, name: str) -> tuple[Fields, tuple[str, ...]]:
    """The fields without one cookie, the others as they stand, and its values."""
    lines: list[tuple[str, str]] = []
    found: list[str] = []
    for line in fields:
        if line[0].lower() != "cookie":
            lines.append(line)
            continue
        kept = []
        for pair in line[1].split(";"):
            own, equals, value = pair.strip().partition("=")
            if equals and own == name:
                found.append(value.strip().strip('"'))
            else:
                kept.append(pair)
        if rest := ";".join(kept).strip():
            lines.append((line[0], rest))
    return (Fields(lines), tuple(found)) if found else (fields, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """`sessions:` of the rule file, but for where an id is found. `ttl` is in seconds.

    `counts` are selectors, by name, of whose values a session's statistics count the different
    ones.
    """

    issuing: Issuing | None = None
    ttl: float | None = None
    counts: Mapping[str, Selector] = field(default_factory=dict)

    @property
    def attended(self) -> bool:
        """Whether a session is more to the proxy than a part of keys and tags."""
        return self.ttl is not None or self.issuing is not None

    def counted(self, subject: Subject) -> tuple[tuple[str, str], ...]:
        """The values to be counted, by name; secret ones as digests."""
        read = ((name, visible(selector, subject)) for name, selector in self.counts.items())
        return tuple((name, to_text(value)) for name, value in read if value is not MISSING)


NO_SESSIONS: Final = SessionSettings()
