"""Selectors: the names of values, parsed once into functions of a subject.

Floor 2. jmespath is used here and nowhere else. A selector reads a value or
MISSING and never raises at request time. One whose value is a secret says so,
and templates then render it as a digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import jmespath
from jmespath.exceptions import JMESPathError

from proxy.rules.jwt import claims
from proxy.rules.secrets import is_secret_field, is_secret_parameter
from proxy.rules.subject import RequestFacts, Subject
from proxy.rules.values import MISSING, Json, Value

Read = Callable[[Subject], Value]
Take = Callable[[Value], Value]

_SIMPLE_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", re.ASCII)
_LATER: Final = re.compile(r"(event|job)(\.|\Z)")
_ITEM: Final = re.compile(r"item(\.|\Z)")
FORMS: Final = (
    "method, host, path, path.NAME, query.NAME, header.NAME, cookie.NAME, body, body.EXPR,"
    " form.NAME, session, credential, jwt.CLAIM, response.status, response.header.NAME,"
    " response.body.EXPR"
)


class SelectorError(ValueError):
    """The text is no selector; the message is a remedy."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A value's name, ready to read. Equality is by text."""

    text: str
    read: Read = field(compare=False, repr=False)
    secret: bool = False

    @property
    def root(self) -> str:
        """The first word: method, path, body, response and so on."""
        return self.text.partition(".")[0]

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return self.root in ("body", "form")

    def overlooks(self, facts: RequestFacts) -> bool:
        """Whether what it reads may be in a part of the body that was not parsed (see `wire`)."""
        if self.root == "body":
            return facts.skips_json
        return self.root == "form" and facts.skips_form

    @property
    def reads_response_body(self) -> bool:
        """Whether it needs an answer's body."""
        return self.text.startswith("response.body")

    @property
    def reads_response(self) -> bool:
        """Whether it needs an answer."""
        return self.root == "response"


def parse_selector(
    text: str, secrets: frozenset[str] = frozenset(), *, item: bool = False
) -> Selector:
    """The selector a rule names; those of `secrets` are secret too. Raises SelectorError.

    `item`: where there is one, in requests that follow from an answer.
    """
    if _ITEM.match(text) and not item:
        raise SelectorError(f"`{text}` is known only where a rule goes through a list")
    later = _LATER.match(text)
    if later:
        raise SelectorError(f"`{later[1]}` selectors are known but not in this version of Larder")
    for prefix in ("response.header", "response.body", "response.status"):
        if text == prefix or text.startswith(prefix + "."):
            return _make(prefix, text[len(prefix) + 1 :], secrets)
    root, _, name = text.partition(".")
    for prefix in ("response.body", "body"):
        if text.startswith(prefix + "["):  # an expression on a body that is a list
            root, name = prefix, text[len(prefix) :]
    return _make(root, name, secrets)


def _make(root: str, name: str, secrets: frozenset[str]) -> Selector:
    plain, named = _PLAIN.get(root), _NAMED.get(root)
    if name and named is not None:
        name = name.lower() if root.endswith("header") else name
        text = f"{root}.{name}"
        return Selector(text, named(name), text in secrets or _is_secret(root, name))
    if not name and plain is not None:
        return Selector(root, plain, root == "session")
    if root in _NAMED:
        raise SelectorError(f"`{root}` needs a name: write {root}.NAME")
    if root in _PLAIN:
        raise SelectorError(f"`{root}` has no parts: write {root}")
    raise SelectorError(f"no selector begins with `{root}`; the selectors are {FORMS}")


def _is_secret(root: str, name: str) -> bool:
    match root:
        case "cookie":
            return True
        case "header" | "response.header":
            return is_secret_field(name)
        case "query":
            return is_secret_parameter(name)
        case _:
            return False


def _one(values: tuple[str, ...]) -> Value:
    """No value is MISSING, one is itself, several stay a list so that none is lost."""
    if not values:
        return MISSING
    return values[0] if len(values) == 1 else list[Json](values)


def _query(name: str) -> Read:
    return lambda s: _one(tuple(pair.value for pair in s.facts.query if pair.name == name))


def _header(name: str) -> Read:
    return lambda s: _found(s.request.fields.get(name))


def _cookie(name: str) -> Read:
    return lambda s: _one(s.facts.cookies.get(name, ()))


def _form(name: str) -> Read:
    return lambda s: _one(tuple(item.value for item in s.facts.form or () if item.name == name))


def _param(name: str) -> Read:
    return lambda s: _found(s.params.get(name))


def _found(value: str | None) -> Value:
    return MISSING if value is None else value


def _body(expression: str) -> Read:
    take = compile_expression(expression)
    return lambda s: take(s.facts.json)


def _response_body(expression: str) -> Read:
    take = compile_expression(expression)
    return lambda s: take(s.response_json)


def _item(expression: str) -> Read:
    take = compile_expression(expression)
    return lambda s: take(s.item)


def _response_header(name: str) -> Read:
    return lambda s: MISSING if s.response is None else _found(s.response.fields.get(name))


def _claim(name: str) -> Read:
    return lambda s: claims(
        s.request.fields.get("authorization"), s.sources.jwt_key, s.request.at
    ).get(name, MISSING)


def compile_expression(expression: str) -> Take:
    """A JMESPath expression as a function of a JSON value; null for nothing is MISSING.

    Raises SelectorError. A plain dotted path is walked without the interpreter,
    and then a null that is there is null.
    """
    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        problem = str(error).partition("\n")[0].rstrip(":")
        raise SelectorError(f"`{expression}` is not JMESPath: {problem}") from error
    if _SIMPLE_PATH.match(expression):
        return partial(_walk, tuple(expression.split(".")))
    return partial(_search, compiled)


def _walk(names: tuple[str, ...], value: Value) -> Value:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


def _search(compiled: jmespath.parser.ParsedResult, value: Value) -> Value:
    if value is MISSING:
        return MISSING
    try:
        found = cast("Json", compiled.search(value))
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError, LookupError):
        return MISSING
    return MISSING if found is None else found


_PLAIN: Final[Mapping[str, Read]] = {
    "method": lambda s: s.request.method,
    "host": lambda s: s.request.authority.lower() or MISSING,
    "path": lambda s: s.request.path,
    "body": lambda s: s.facts.json,
    "session": lambda s: _found(s.session),
    "credential": lambda s: _found(s.credential),
    "response.status": lambda s: MISSING if s.response is None else s.response.status,
    "response.body": lambda s: s.response_json,
    "item": lambda s: s.item,
}
_NAMED: Final[Mapping[str, Callable[[str], Read]]] = {
    "path": _param,
    "query": _query,
    "header": _header,
    "cookie": _cookie,
    "body": _body,
    "form": _form,
    "jwt": _claim,
    "response.header": _response_header,
    "response.body": _response_body,
    "item": _item,
}
