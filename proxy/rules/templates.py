"""Templates: text with selectors in braces.

Floor 2. `{{` and `}}` are braces themselves. A template whose selector is
missing or null renders to nothing, never to text with a hole. Secret values
are rendered as keyed digests.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.rules.problems import Mistakes
from proxy.rules.selectors import Selector, SelectorError, parse_selector
from proxy.rules.subject import Subject
from proxy.rules.values import MISSING, Json, Value, canonical, encode, to_text

Piece = str | Selector


class TemplateError(Mistakes):
    """The text is no template; it has a remedy for each of its mistakes."""


@dataclass(frozen=True, slots=True)
class Template:
    """Literals and selectors, alternating as written."""

    pieces: tuple[Piece, ...]

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The selectors in it."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Selector))

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return any(selector.reads_body for selector in self.selectors)

    @property
    def literal(self) -> str:
        """The text before the first selector."""
        first = self.pieces[0] if self.pieces else ""
        return first if isinstance(first, str) else ""

    def values(self, subject: Subject) -> tuple[Json, ...] | None:
        """The pieces' values, secrets as digests; None if one is missing or null."""
        found: list[Json] = []
        for piece in self.pieces:
            value = piece if isinstance(piece, str) else visible(piece, subject)
            if value is MISSING or value is None:
                return None
            found.append(value)
        return tuple(found)

    def render(self, subject: Subject) -> str | None:
        """The text; None if a selector is missing."""
        values = self.values(subject)
        return None if values is None else "".join(map(to_text, values))

    def plain(self, subject: Subject) -> Value:
        """The value to compare with: a lone selector's own, else the text; secrets as they are."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Selector):
            return self.pieces[0].read(subject)
        read = [p if isinstance(p, str) else p.read(subject) for p in self.pieces]
        texts = [to_text(value) for value in read if value is not MISSING and value is not None]
        return "".join(texts) if len(texts) == len(read) else MISSING


def visible(selector: Selector, subject: Subject) -> Value:
    """A selector's value as it may appear in keys and tags."""
    value = selector.read(subject)
    if not selector.secret or value is MISSING:
        return value
    return subject.session_digest if selector.text == "session" else subject.digest(value)


def key_part(value: Json) -> bytes:
    """A template's value inside a key: numbers equal their text, other types never do."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return b"t" + encode(str(value))
    return b"j" + canonical(value)


def parse_template(
    text: str, secrets: frozenset[str] = frozenset(), *, item: bool = False
) -> Template:
    """The template a rule writes; selectors among `secrets` are secret too.

    `item`: it may name one. Raises TemplateError with every mistake.
    """
    pieces: list[Piece] = []
    wrong: list[str] = []
    literal = ""
    rest = text
    while rest:
        index = min((i for i in (rest.find("{"), rest.find("}")) if i >= 0), default=len(rest))
        literal, rest = literal + rest[:index], rest[index:]
        if rest[:2] in ("{{", "}}"):
            literal, rest = literal + rest[0], rest[2:]
        elif rest[:1] == "}":
            wrong.append("a `}` without its `{`: write }} for a brace itself")
            rest = rest[1:]
        elif rest:
            inside, rest = _inside(rest, wrong)
            pieces += [literal] if literal else []
            literal = ""
            try:
                if inside is not None:
                    pieces.append(parse_selector(inside.strip(), secrets, item=item))
            except SelectorError as error:
                wrong.append(str(error))
    if wrong:
        raise TemplateError(*dict.fromkeys(wrong))
    return Template((*pieces, literal) if literal or not pieces else tuple(pieces))


def _inside(text: str, wrong: list[str]) -> tuple[str | None, str]:
    """The selector between braces, which may hold braces of its own, and what follows."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return text[1:index], text[index + 1 :]
    wrong.append("a `{` without its `}`: write {{ for a brace itself")
    return None, ""
