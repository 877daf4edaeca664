"""Keys: which requests share an answer.

Floor 2. Pure. A key is SHA-256 over length-delimited canonical parts, so no
value can run into another; the head is for people and holds no credential. The
default takes method, path, query and the whole body; rules take parts out or
name exactly what matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Final, assert_never

from proxy.messages import CacheKey
from proxy.outcomes import Bypass
from proxy.rules.normalize import Step, normalized
from proxy.rules.paths import Path, edited, removed
from proxy.rules.selectors import Take
from proxy.rules.subject import Subject
from proxy.rules.targets import public_target
from proxy.rules.templates import Template, key_part
from proxy.rules.values import (
    MISSING,
    Json,
    Value,
    canonical,
    canonical_in_pieces,
    delimit,
    encode,
)
from proxy.rules.wire import QueryPair, is_json, media_type

_VERSION: Final = b"larder-key-1"
_ABSENT: Final = b"-"
_MAX_HEAD: Final = 500
_LARGE: Final = 64 << 10


def key_method(method: str) -> str:
    """HEAD finds what GET stored (RFC 9110 §9.3.2)."""
    return "GET" if method == "HEAD" else method


def _digest(upstream: str, partition: str, parts: bytes) -> bytes:
    """SHA-256 of all that a key is made of; `parts` are delimited."""
    within = encode(partition)
    whole = b"%b%d:%b,%b" % (_opening(upstream), len(within), within, parts)
    return hashlib.sha256(whole).digest()


@lru_cache(maxsize=256)
def _opening(upstream: str) -> bytes:
    return delimit((_VERSION, encode(upstream)))


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """`key: "text with {selectors}"`: the values are all that counts."""

    template: Template

    @property
    def reads_body(self) -> bool:
        """Whether a selector reads the request's body."""
        return self.template.reads_body

    def derive(self, subject: Subject, upstream: str, partition: str) -> CacheKey | Bypass:
        """The key, or why the request has none."""
        if self.reads_body and subject.request.body is None:
            return Bypass.BODY_TOO_LARGE
        if any(selector.overlooks(subject.facts) for selector in self.template.selectors):
            return Bypass.BODY_UNPARSED
        values = self.template.values(subject)
        if values is None:
            return self._refusal(subject)
        parts = [b"template", *(key_part(value) for value in values)]
        head = self.template.render(subject) or ""
        return CacheKey(_digest(upstream, partition, delimit(parts)), head[:_MAX_HEAD])

    def _refusal(self, subject: Subject) -> Bypass:
        wants_json = any(selector.root == "body" for selector in self.template.selectors)
        not_json = wants_json and subject.facts.json is MISSING
        return Bypass.BODY_NOT_JSON if not_json else Bypass.MISSING_SELECTOR


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One item of `key.body`: a label and a JMESPath expression."""

    label: str
    take: Take


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """`key.ignore`, sorted by what is ignored. Names are glob patterns."""

    body: bool = False
    body_paths: tuple[Path, ...] = ()
    query: tuple[str, ...] = ()
    form: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsKey:
    """`key` in parts, and the default key where a route has none.

    `body` None means the whole body. `normalize_body` and `normalize_query`
    are applied before anything is taken.
    """

    name: str = ""
    body: tuple[BodyPart, ...] | None = None
    ignore: Ignored = Ignored()
    headers: tuple[str, ...] = ()
    normalize_body: tuple[tuple[Path, tuple[Step, ...]], ...] = ()
    normalize_query: tuple[tuple[str, tuple[Step, ...]], ...] = ()
    reads_body: bool = field(init=False, repr=False, compare=False)
    """Whether anything of the request's body counts."""
    _named: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make what is the same for every key."""
        object.__setattr__(self, "reads_body", not self.ignore.body and self.body != ())
        object.__setattr__(self, "_named", delimit((b"parts", encode(self.name))))

    def derive(self, subject: Subject, upstream: str, partition: str) -> CacheKey | Bypass:
        """The key, or why the request has none."""
        request, body = subject.request, b"ignored"
        if self.reads_body:
            bare = request.body == b"" and self.body is None
            read = b"none" if bare else self._body(subject)
            if isinstance(read, Bypass):
                return read
            body = read
        method, path = encode(key_method(request.method)), encode(request.path)
        query = self._query(subject) if "?" in request.target or self.normalize_query else _ABSENT
        headers = self._headers(subject) if self.headers else b""
        parts = b"%b%d:%b,%d:%b,%d:%b,%d:%b,%d:%b," % (  # as `delimit` does, at once
            *(self._named, len(method), method, len(path), path),
            *(len(query), query, len(headers), headers, len(body), body),
        )
        digest = _digest(upstream, partition, parts)
        return CacheKey(digest, self._head(subject, upstream, digest))

    def _head(self, subject: Subject, upstream: str, digest: bytes) -> str:
        if self.name:
            return f"{self.name}#{digest.hex()}"
        request = subject.request
        target = f"{key_method(request.method)} {upstream}{public_target(request.target)}"
        return f"{target[:_MAX_HEAD]} #{digest.hex()[:12]}" if request.body else target[:_MAX_HEAD]

    def _query(self, subject: Subject) -> bytes:
        globs = self.ignore.query
        pairs = [*subject.facts.query]
        if globs:
            pairs = [pair for pair in pairs if not _ignorable(pair, globs)]
        if not pairs and subject.facts.query and not self.normalize_query:
            return _ABSENT  # all of it is ignored: the same as no query
        for name, steps in self.normalize_query:
            pairs = _normalized_pairs(pairs, name, steps)
        # Sorted by name alone, so that repeated names keep the order they were sent in.
        if len(pairs) > 1:
            pairs.sort(key=_name)
        return delimit([encode(pair.raw) for pair in pairs])

    def _headers(self, subject: Subject) -> bytes:
        found = ((name, subject.request.fields.get(name)) for name in self.headers)
        parts = ((encode(n), _ABSENT if v is None else b"+" + encode(v)) for n, v in found)
        return delimit(part for pair in parts for part in pair)

    def _body(self, subject: Subject) -> bytes | Bypass:
        if subject.request.body is None:
            return Bypass.BODY_TOO_LARGE
        if self.body is None:
            return self._whole(subject, subject.request.body)
        if subject.facts.json is MISSING:
            return Bypass.BODY_UNPARSED if subject.facts.skips_json else Bypass.BODY_NOT_JSON
        tree = self._edited(subject.facts.json)
        taken = ((encode(part.label), part.take(tree)) for part in self.body)
        return delimit(p for label, value in taken for p in (label, _optional(value)))

    def _whole(self, subject: Subject, body: bytes) -> bytes:
        content_type = subject.request.fields.get("content-type") or ""
        coding = subject.request.fields.get("content-encoding")
        essence, _ = media_type(content_type)
        if coding is None and is_json(essence) and subject.facts.json is not MISSING:
            tree = self._edited(subject.facts.json)
            return delimit(
                (
                    b"json",
                    encode(essence),
                    _optional(tree, canonical_in_pieces if len(body) > _LARGE else canonical),
                )
            )
        form = subject.facts.form if coding is None else None
        if form is not None:
            kept = (field for field in form if not _any_match(field.name, self.ignore.form))
            fields = (part for field in kept for part in (encode(field.name), field.raw))
            return delimit((b"form", encode(essence), *fields))
        content = hashlib.sha256(body).digest()
        return delimit((b"bytes", encode(content_type), encode(coding or ""), content))

    def _edited(self, value: Value) -> Value:
        for path in self.ignore.body_paths:
            value = edited(value, path, removed)
        for path, steps in self.normalize_body:
            value = edited(value, path, partial(normalized, steps))
        return value


def _optional(value: Value, written: Callable[[Json], bytes] = canonical) -> bytes:
    return _ABSENT if value is MISSING else b"+" + written(value)


def _name(pair: QueryPair) -> str:
    return pair.name


def _ignorable(pair: QueryPair, globs: tuple[str, ...]) -> bool:
    """Not if it has a semicolon, which many servers read as a second `&`: more is in it."""
    return ";" not in pair.raw and _any_match(pair.name, globs)


def counted_query(keying: Keying, subject: Subject) -> list[QueryPair]:
    """The parameters of the query that count in the subject's key."""
    pairs = subject.facts.query
    match keying:
        case PartsKey(ignore=Ignored(query=globs)):
            return [pair for pair in pairs if not _ignorable(pair, globs)]
        case TemplateKey(template=template):
            named = {selector.text for selector in template.selectors}
            return [pair for pair in pairs if f"query.{pair.name}" in named or "query" in named]
        case _:
            assert_never(keying)


def _any_match(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _normalized_pairs(
    pairs: list[QueryPair], name: str, steps: tuple[Step, ...]
) -> list[QueryPair]:
    def pair(value: str | None) -> list[QueryPair]:
        result = normalized(steps, MISSING if value is None else value)
        return [] if result is MISSING else [QueryPair(name, f"{name}={_query_text(result)}")]

    if all(found.name != name for found in pairs):
        return [*pairs, *pair(None)]
    return [new for old in pairs for new in (pair(old.value) if old.name == name else [old])]


def _query_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "" if value is MISSING else canonical(value).decode("ascii")


Keying = TemplateKey | PartsKey
