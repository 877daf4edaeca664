"""The single values of the rule file: numbers, units, names, selectors, templates.

Floor 2. Each is one row: what it is called, the forms that are accepted, how
it is parsed, and its JSON Schema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, TypeVar

from proxy.rules import units
from proxy.rules.nodes import Scalar
from proxy.rules.problems import Mistakes, did_you_mean
from proxy.rules.selectors import FORMS, Selector, parse_selector
from proxy.rules.shapes import Reading, Refusal, Schema, Single
from proxy.rules.templates import Template, parse_template

T = TypeVar("T")

_FIELD_CHARACTERS: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_FRAMING: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade"}
)
_LEAST_LAG_S: Final = 0.1
_STATUSES: Final = range(100, 600)


def text_of(node: Scalar) -> str | None:
    """The text, unless the place is empty or holds null."""
    return None if node.value is None or not node.text.strip() else node.text


def from_text(parse: Callable[[str], T | None]) -> Callable[[Scalar, Reading], T | None]:
    """A parser of text as a parser of nodes; an empty place is of no form."""

    def read(node: Scalar, _reading: Reading) -> T | None:
        text = text_of(node)
        return None if text is None else parse(text)

    return read


def matching(pattern: str) -> Callable[[str], str | None]:
    """A parser of text that the whole pattern matches."""
    compiled = re.compile(pattern)
    return lambda text: text if compiled.fullmatch(text) else None


def integer(low: int, high: int) -> Single[int]:
    """A whole number within bounds."""

    def parse(node: Scalar, _reading: Reading) -> int | None:
        value = node.value
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return value if fits and isinstance(value, int) else None

    forms = f"a whole number from {low} to {high}"
    return Single(
        "such a number", forms, parse, {"type": "integer", "minimum": low, "maximum": high}
    )


def words(*choices: str) -> Single[str]:
    """One of a few words."""

    def parse(text: str) -> str | None:
        if text in choices:
            return text
        raise Refusal(did_you_mean(text, choices, f"write one of {', '.join(choices)}"))

    return Single(
        "one of the words for this", ", ".join(choices), from_text(parse), {"enum": list(choices)}
    )


def boolean() -> Single[bool]:
    """True or false; YAML 1.2 has no other booleans."""

    def parse(node: Scalar, _reading: Reading) -> bool | None:
        return node.value if isinstance(node.value, bool) else None

    return Single("true or false", "true or false", parse, {"type": "boolean"})


def selector(*, response: bool) -> Single[Selector]:
    """A selector; with `response` False only of the request."""

    def parse(node: Scalar, reading: Reading) -> Selector:
        found = parse_selector(node.text, reading.secrets)
        return _of_request(found) if not response else found

    return Single("a selector here", f"a selector: {FORMS}", parse, {"type": "string"})


def of_answer() -> Single[Selector]:
    """A selector of the answer."""

    def parse(node: Scalar, reading: Reading) -> Selector:
        found = parse_selector(node.text, reading.secrets)
        if not found.reads_response:
            meant = f"response.{found.text}" if found.root == "body" else "response.body.NAME"
            raise Refusal(f"`{found.text}` is of the request: write {meant}")
        return found

    return Single("a selector here", "response.body.NAME", parse, {"type": "string"})


def source(*made: str) -> Single[Selector]:
    """A selector of the request that reads none of the values made of these."""

    def parse(node: Scalar, reading: Reading) -> Selector:
        found = _of_request(parse_selector(node.text, reading.secrets))
        if found.text in made:
            remedy = "name where the value is, such as header.x-session-id"
            raise Refusal(f"`{found.text}` is made of these; {remedy}")
        return found

    return Single("a selector here", f"a selector: {FORMS}", parse, {"type": "string"})


def _of_request(found: Selector) -> Selector:
    if found.reads_response:
        raise Refusal(_too_early(found))
    return found


def _too_early(found: Selector) -> str:
    return f"`{found.text}` is not known yet here: use a selector of the request"


def template(*, response: bool) -> Single[Template]:
    """A template; with `response` False only of the request."""

    def parse(node: Scalar, reading: Reading) -> Template | None:
        if text_of(node) is None:
            return None
        found = parse_template(node.template, reading.secrets)
        early = [piece for piece in found.selectors if piece.reads_response and not response]
        if early:
            raise Mistakes(*dict.fromkeys(map(_too_early, early)))
        return found

    return Single(
        "a template here",
        'text with selectors in braces: "list:{path.id}"',
        parse,
        {"type": "string"},
    )


def tag(text: Template) -> Template:
    """The template of a tag. Raises Refusal if it begins as only the proxy's own do."""
    if text.literal.startswith("@") or text.pieces == ("*",):
        raise Refusal("a tag cannot begin with @ or be *, for those are the proxy's own: rename it")
    return text


def tag_template() -> Single[Template]:
    """A template for a tag."""
    plain = template(response=True)

    def parse(node: Scalar, reading: Reading) -> Template | None:
        found = plain.parse(node, reading)
        return None if found is None else tag(found)

    return Single("a tag", 'a tag, such as "list:{path.id}"', parse, {"type": "string"})


def _field_name(text: str) -> str | None:
    if text.lower() in _FRAMING:
        raise Refusal(f"the proxy writes {text.lower()} itself: take it out")
    return text.lower() if re.fullmatch(_FIELD_CHARACTERS, text) else None


def _field_value(node: Scalar, _reading: Reading) -> str | None:
    if node.value is None or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", node.text):
        return None
    try:
        return node.text.encode("latin-1").decode("latin-1")
    except UnicodeEncodeError:
        return None


def _status(node: Scalar, _reading: Reading) -> int | None:
    value = int(node.text) if node.text.isascii() and node.text.isdigit() else 0
    return value if value in _STATUSES else None


def _text(node: Scalar, _reading: Reading) -> str | None:
    return text_of(node)


DURATION: Final = Single(
    "a duration",
    units.DURATION_FORMS,
    from_text(units.parse_duration),
    {"type": "string", "pattern": units.DURATION_PATTERN},
)
SPAN: Final = Single(
    "a duration longer than 0",
    units.DURATION_FORMS,
    from_text(lambda text: units.parse_duration(text) or None),
    {"type": "string", "pattern": units.DURATION_PATTERN},
)
SIZE: Final = Single(
    "a size",
    units.SIZE_FORMS,
    from_text(units.parse_size),
    {"type": "string", "pattern": units.SIZE_PATTERN},
)
PERCENT: Final = Single(
    "a percentage",
    units.PERCENT_FORMS,
    from_text(units.parse_percent),
    {"type": "string", "pattern": units.PERCENT_PATTERN},
)
STATUS: Final = Single(
    "a status code",
    "a number from 100 to 599",
    _status,
    {"type": "integer", "minimum": 100, "maximum": 599},
)
STATUS_KEY: Final = Single(
    "a status code",
    "a number from 100 to 599",
    _status,
    {"type": "string", "pattern": "^[1-5][0-9][0-9]$"},
)
TEXT: Final = Single("text", "text", _text, {"type": "string"})
SECRET_TEXT: Final = Single("text", "text", _text, {"type": "string"}, quotable=False)
NAME: Final = Single(
    "a name",
    "letters, digits, dots, dashes and underscores",
    from_text(matching(_NAME)),
    {"type": "string", "pattern": f"^{_NAME}$"},
)
FIELD_NAME: Final = Single(
    "a header name",
    "a header name, such as x-request-id",
    from_text(_field_name),
    {"type": "string"},
)
FIELD_VALUE: Final = Single(
    "a header value",
    "one line of text",
    _field_value,
    {"type": ["string", "number", "boolean"]},
    quotable=False,
)


def _ttl(text: str) -> float | str | None:
    return text if text in ("http", "off") else units.parse_duration(text)


def _lag(text: str) -> float | None:
    seconds = math.inf if text == "forever" else units.parse_duration(text)
    if seconds is not None and seconds < _LEAST_LAG_S:
        raise Refusal("shorter than following the journal takes: write 100ms or more")
    return seconds


def lag() -> Single[float]:
    """A duration of 100ms at least, or `forever`."""
    schema: Schema = {"anyOf": [{"const": "forever"}, DURATION.json]}
    forms = f"{units.DURATION_FORMS}; 100ms at least, or forever"
    return Single("a duration", forms, from_text(_lag), schema)


def ttl_word() -> Single[float | str]:
    """A lifetime in one word: a duration, `http` or `off`."""
    schema: Schema = {"anyOf": [{"enum": ["http", "off"]}, DURATION.json]}
    return Single("a lifetime", f"http, off, or {units.DURATION_FORMS}", from_text(_ttl), schema)


def status_or(*choices: str) -> Single[int | str]:
    """A status code or one of a few words."""

    def parse(node: Scalar, reading: Reading) -> int | str | None:
        return node.text if node.text in choices else _status(node, reading)

    forms = f"{', '.join(choices)} or a status code"
    return Single("one of these", forms, parse, {"anyOf": [{"enum": list(choices)}, STATUS.json]})
