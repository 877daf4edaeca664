"""Scopes: within which partition an answer may be reused.

Floor 2. Pure. A partition is a word and a keyed digest, never the credential,
session or value itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from proxy.outcomes import Bypass
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject, keyed_digest
from proxy.rules.values import MISSING, canonical, delimit


@dataclass(frozen=True, slots=True)
class SharedScope:
    """`shared`, and `ttl: http` with no scope: no partition at all."""

    reads_body: ClassVar[bool] = False

    def partition(self, _subject: Subject) -> str | Bypass:
        """Always the one partition."""
        return ""


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """`credential`: requests with the same credentials; those without any share one partition."""

    reads_body: ClassVar[bool] = False

    def partition(self, subject: Subject) -> str | Bypass:
        """The credential's digest."""
        return f"credential:{subject.credential or ''}"


@dataclass(frozen=True, slots=True)
class SessionScope:
    """`session`: requests of the same session; one without a session is bypassed."""

    reads_body: ClassVar[bool] = False

    def partition(self, subject: Subject) -> str | Bypass:
        """The session's digest."""
        digest = subject.session_digest
        return Bypass.NO_SESSION if digest is None else f"session:{digest}"


@dataclass(frozen=True, slots=True)
class SelectorScope:
    """A list of selectors: requests in which all have the same values."""

    selectors: tuple[Selector, ...]

    @property
    def reads_body(self) -> bool:
        """Whether one of them reads the request's body."""
        return any(selector.reads_body for selector in self.selectors)

    def partition(self, subject: Subject) -> str | Bypass:
        """A digest of the values; a request that lacks one is bypassed."""
        parts = []
        for selector in self.selectors:
            value = selector.read(subject)
            if value is MISSING or value is None:
                missing_session = selector.text == "session"
                return Bypass.NO_SESSION if missing_session else Bypass.MISSING_SELECTOR
            parts += [selector.text.encode(), canonical(value)]
        return f"values:{keyed_digest(subject.sources.secret, b'scope', delimit(parts))}"


Scope = SharedScope | CredentialScope | SessionScope | SelectorScope
