"""Settings from the environment: what an operator sets outside the rule file.

Read once, at the start. Knows names, forms and defaults; not what the program
does with them, and not the variables that rule files name for themselves.
Invariants: every variable is a row of SETTINGS, the documentation is held to
the table, and an error never shows a value that may be a secret.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from proxy.edges.logs import LogFormat
from proxy.errors import SettingsError
from proxy.rules.settings import Address
from proxy.rules.units import parse_duration, parse_size

_MIN_SECRET: Final = 16
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The environment, read. `listen` and `admin` None mean: as the rule file says."""

    rules: Path = Path("rules.yaml")
    listen: Address | None = None
    admin: Address | None = None
    admin_token: str = field(default="", repr=False)
    log: LogFormat | None = None
    log_level: int = logging.INFO
    secret: str = field(default="", repr=False)
    drain_s: float = 30.0
    lane_bytes: int = 32 << 20


def parse_address(text: str) -> Address:
    """HOST:PORT, [IPV6]:PORT or :PORT (every interface); ValueError otherwise."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(text)
    if host.startswith("[") and host.endswith("]"):
        return Address(str(ipaddress.IPv6Address(host[1:-1])), int(port))
    if ":" in host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError(text)
    return Address(host or "0.0.0.0", int(port))  # noqa: S104 - `:8080` asks for every interface


def _seconds(text: str) -> float:
    bare = text.strip()
    seconds = parse_duration(f"{bare}s" if bare[-1:].isdigit() else bare)
    if seconds is None:
        raise ValueError(text)
    return seconds


def _size(text: str) -> int:
    size = 0 if text.strip().lower() == "off" else parse_size(text.strip())
    if size is None:
        raise ValueError(text)
    return size


def _secret(text: str) -> str:
    if len(text) < _MIN_SECRET or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError
    return text


def _word(table: Mapping[str, object]) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return table[text.strip().lower()]
        except KeyError:
            raise ValueError(text) from None

    return parse


class Setting(NamedTuple):
    """One environment variable; `field` is what it sets in Settings, None if rules read it."""

    field: str | None
    parse: Callable[[str], object]
    forms: str
    default: str
    help: str
    secret: bool = False


SETTINGS: Final[dict[str, Setting]] = {
    "LARDER_RULES": Setting("rules", Path, "a path", "rules.yaml", "The rule file"),
    "LARDER_LISTEN": Setting(
        "listen",
        parse_address,
        "HOST:PORT, [IPV6]:PORT or :PORT",
        "`server.listen` of the rules, 0.0.0.0:8080",
        "Where the proxy listens",
    ),
    "LARDER_ADMIN": Setting(
        "admin",
        parse_address,
        "HOST:PORT, [IPV6]:PORT or :PORT",
        "`server.admin` of the rules, 127.0.0.1:8081",
        "Where the admin API listens; off loopback it needs LARDER_ADMIN_TOKEN",
    ),
    "LARDER_ADMIN_TOKEN": Setting(
        "admin_token",
        _secret,
        f"at least {_MIN_SECRET} printable ASCII characters without spaces",
        "none",
        "Bearer token that the admin API asks for",
        secret=True,
    ),
    "LARDER_LOG": Setting(
        "log",
        _word({form.value: form for form in LogFormat}),
        "json or text",
        "text on a terminal, else json",
        "Form of the logs",
    ),
    "LARDER_LOG_LEVEL": Setting(
        "log_level",
        _word(_LEVELS),
        "debug, info, warning or error",
        "info",
        "Least level that is logged; above info there is no access log",
    ),
    "LARDER_SECRET": Setting(
        "secret",
        _secret,
        f"at least {_MIN_SECRET} printable ASCII characters without spaces",
        "a fixed one that anybody can read",
        "Keys the digests of credentials and sessions: set your own, the same on every instance",
        secret=True,
    ),
    "LARDER_DRAIN": Setting(
        "drain_s",
        _seconds,
        "seconds, or a duration such as 500ms, 30s, 2m",
        "30s",
        "How long SIGTERM waits for requests under way",
    ),
    "LARDER_LANE": Setting(
        "lane_bytes",
        _size,
        "off, or a whole number with B, KiB, MiB or GiB",
        "32MiB",
        "Memory of each lane, for what it knows of requests beforehand; off: there are none",
    ),
    "CACHE_ENABLED": Setting(
        None, _word(_BOOLEANS), "true or false", "true", "false: every route is a pass-through"
    ),
    "REDIS_ENABLED": Setting(
        None,
        _word(_BOOLEANS),
        "true or false",
        "true",
        "false: a Redis `store.shared` is unused",
    ),
}


def parse_setting(name: str, text: str, source: str = "") -> object:
    """The value `text` means for a variable; SettingsError names `source` and the forms."""
    setting = SETTINGS[name]
    try:
        return setting.parse(text)
    except ValueError:
        got = "" if setting.secret else f", not {text!r}"
        raise SettingsError(f"{source or name}: must be {setting.forms}{got}") from None


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings of an environment; an empty variable counts as unset.

    Every wrong variable is in the one SettingsError, a line each.
    """
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, setting in SETTINGS.items():
        text = env.get(name, "")
        if not text:
            continue
        try:
            value = parse_setting(name, text)
        except SettingsError as error:
            problems.append(str(error))
        else:
            values |= {setting.field: value} if setting.field else {}
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)  # type: ignore[arg-type]  # each row's parser gives its field's type


def unknown_settings(env: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each LARDER_* variable that means nothing, with the name it may have meant."""
    return tuple(
        f"{name} is not a setting of Larder{_did_you_mean(name)}"
        for name in sorted(env)
        if name.startswith("LARDER_") and name not in SETTINGS
    )


def _did_you_mean(name: str) -> str:
    close = get_close_matches(name, SETTINGS, n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else ""


def is_loopback(host: str) -> bool:
    """Whether a listener on `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_token(admin: Address, token: str) -> None:
    """Refuse an admin API that others can reach and nothing protects."""
    if token or is_loopback(admin.host):
        return
    raise SettingsError(
        f"the admin API would listen on {admin}, which others can reach: set LARDER_ADMIN_TOKEN, "
        "or let it listen on 127.0.0.1"
    )
