"""`match`: methods and a path pattern.

Floor 2. Pure. Segments are compared with their percent-encoding undone, one by
one, so an encoded slash never makes two segments. The target itself is never
changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.rules.wire import decode_segment

FORMS: Final = (
    "METHOD[,METHOD] PATH or PATH, with {name} for one segment and {name:path} for the rest"
)
_TOKEN: Final = re.compile(r"[A-Z][A-Z0-9-]*\Z")
_PIECE: Final = re.compile(r"\{([^{}]*)\}|([{}])")
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REST: Final = ":path"


class PatternError(ValueError):
    """The text is no pattern; the message is a remedy."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A segment that is one parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """A segment of literals and parameters, such as `{device}:executeCommand`."""

    regex: re.Pattern[str]


Segment = str | Whole | Mixed


@dataclass(frozen=True, slots=True)
class Pattern:
    """Methods (empty: all), segments, and the parameter that takes the rest, if any."""

    text: str
    methods: frozenset[str]
    segments: tuple[Segment, ...]
    rest: str | None = None

    @property
    def params(self) -> frozenset[str]:
        """The names of its parameters."""
        names = {segment.name for segment in self.segments if isinstance(segment, Whole)}
        mixed = [
            segment.regex.groupindex for segment in self.segments if isinstance(segment, Mixed)
        ]
        return frozenset(names.union(*mixed) | ({self.rest} if self.rest else set()))

    @property
    def shape(self) -> tuple[str, ...]:
        """What its paths look like, whatever its parameters are called."""
        texts = [_shape(segment) for segment in self.segments]
        return (*texts, "/rest" if self.rest else "/end")

    def match(self, segments: tuple[str, ...]) -> Mapping[str, str] | None:
        """The parameters, if the decoded segments of a path match."""
        count = len(self.segments)
        if len(segments) < count + (self.rest is not None):
            return None
        if self.rest is None and len(segments) > count:
            return None
        found: dict[str, str] = {}
        for segment, text in zip(self.segments, segments, strict=False):
            if isinstance(segment, str):
                if segment != text:
                    return None
            elif isinstance(segment, Whole):
                if not text:
                    return None
                found[segment.name] = text
            else:
                mixed = segment.regex.match(text)
                if mixed is None:
                    return None
                found.update(mixed.groupdict())
        if self.rest is not None:
            found[self.rest] = "/".join(map(_escaped, segments[count:]))
        return found


def _escaped(segment: str) -> str:
    """A decoded segment so that it cannot be taken for two, nor for another one escaped."""
    return segment.replace("%", "%25").replace("/", "%2F")


_AMBIGUOUS: Final = re.compile(
    r"[;\\]|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f)|/\.\.?(?:/|\Z)", re.IGNORECASE
)


def is_ambiguous(path: str) -> bool:
    """Whether an upstream may read this raw path as another one than its segments say.

    Dot segments, path parameters, and escapes of what ends or divides a path somewhere.
    """
    return _AMBIGUOUS.search(path) is not None


def split_path(path: str) -> tuple[str, ...]:
    """The decoded segments of a raw path."""
    segments = path.split("/")[1:]
    return tuple(map(decode_segment, segments)) if "%" in path else tuple(segments)


def parse_pattern(text: str) -> Pattern:
    """The pattern a route's `match` writes. Raises PatternError with a remedy."""
    methods, path = _methods_and_path(text.split())
    if "?" in path or "#" in path:
        raise PatternError("a path here has no query: use `when: {query.NAME: …}`")
    names: list[str] = []
    texts = path.split("/")[1:]
    rest = None
    if texts[-1].startswith("{") and texts[-1].endswith(_REST + "}"):
        rest = _parameter(texts.pop()[1 : -len(_REST) - 1], names)
    segments = tuple(_segment(segment, names) for segment in texts)
    return Pattern(" ".join(text.split()), methods, segments, rest)


def _methods_and_path(words: list[str]) -> tuple[frozenset[str], str]:
    if not words or len(words) > 2 or not words[-1].startswith("/"):
        raise PatternError(f"write {FORMS}")
    if len(words) == 1:
        return frozenset(), words[0]
    methods = words[0].split(",")
    for method in methods:
        if not _TOKEN.match(method):
            raise PatternError(f"`{method}` is no method: write GET, or GET,POST without spaces")
    # HEAD is answered from what GET stored, so whoever names GET means HEAD too.
    return frozenset(methods) | ({"HEAD"} if "GET" in methods else frozenset()), words[1]


def _parameter(name: str, names: list[str]) -> str:
    if not _PARAMETER.match(name):
        hint = "`:path` can only stand in the last segment, alone" if name.endswith(_REST) else ""
        raise PatternError(hint or f"`{{{name}}}` is no parameter: write letters, digits and _")
    if name in names:
        raise PatternError(f"`{{{name}}}` comes twice: give each its own name")
    names.append(name)
    return name


def _segment(text: str, names: list[str]) -> Segment:
    if "{" not in text and "}" not in text:
        return decode_segment(text)
    expression, position = "", 0
    for piece in _PIECE.finditer(text):
        if piece[2]:
            raise PatternError("a brace stands alone: write {name}")
        literal = decode_segment(text[position : piece.start()])
        name = _parameter(piece[1], names)
        if piece.start() == 0 and piece.end() == len(text):
            return Whole(name)
        expression += f"{re.escape(literal)}(?P<{name}>.+?)"
        position = piece.end()
    return Mixed(
        re.compile(rf"{expression}{re.escape(decode_segment(text[position:]))}\Z", re.DOTALL)
    )


def _shape(segment: Segment) -> str:
    if isinstance(segment, str):
        return f"={segment}"
    if isinstance(segment, Whole):
        return "/whole"
    return f"~{re.sub('<[^>]*>', '', segment.regex.pattern)}"
