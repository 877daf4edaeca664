"""`${NAME}` and `${NAME:-default}` in the rule file.

Floor 2. Pure: the environment is a mapping that is handed in. `$${NAME}` stands
for `${NAME}` itself. As in a shell, `:-` also takes the place of an empty value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_REFERENCE: Final = re.compile(
    r"(?P<escape>\$\$\{[^}]*\}?)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\$\{)"
)


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text with the environment in it.

    `template` has the braces of environment values doubled, so that no value
    becomes template syntax. `missing` are names that are not set; `malformed`
    says that some `${` is no reference.
    """

    text: str
    template: str
    changed: bool = False
    missing: tuple[str, ...] = ()
    malformed: bool = False


def substitute(text: str, env: Mapping[str, str]) -> Substituted:
    """The text with every reference replaced."""
    if "${" not in text:
        return Substituted(text, text)
    missing: list[str] = []

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if name is None:
            return found[0].removeprefix("$") if found["escape"] else found[0]
        given = env.get(name)
        if default is not None:
            return given or default
        if given is None:
            missing.append(name)
        return given or ""

    def doubled(found: re.Match[str]) -> str:
        return value(found).replace("{", "{{").replace("}", "}}")

    template = _REFERENCE.sub(doubled, text)
    missing.clear()
    plain = _REFERENCE.sub(value, text)
    malformed = any(found["bad"] for found in _REFERENCE.finditer(text))
    names = tuple(dict.fromkeys(missing))
    return Substituted(plain, template, changed=True, missing=names, malformed=malformed)


def flag(env: Mapping[str, str], name: str) -> bool | None:
    """A switch of the environment, on unless it says otherwise; None if it is no switch."""
    return _FLAGS.get(env.get(name, "").strip().lower())


_FLAGS: Final = {"": True, "true": True, "1": True, "yes": True, "on": True,
                 "false": False, "0": False, "no": False, "off": False}  # fmt: skip
