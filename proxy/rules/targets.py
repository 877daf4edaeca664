"""Request targets: what of them may be read, which are the same, and which may mislead.

Floor 2. Pure. A target goes up byte for byte as it came; what is here only names and judges.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.rules.secrets import is_secret_parameter
from proxy.rules.wire import query_pairs

_SLASH: Final = r"[/\\]|%(?:25)*(?:2f|5c)"
_DOT: Final = r"(?:\.|%(?:25)*2e)"
_AFTER: Final = rf"(?=;|%(?:25)*3b|{_SLASH}|\Z)"
_DOT_SEGMENT: Final = re.compile(rf"(?:\A|{_SLASH}){_DOT}{{1,2}}{_AFTER}", re.IGNORECASE)
_DOTS: Final = re.compile(rf"({_DOT}{{1,2}}){_AFTER}", re.IGNORECASE)
_ESCAPED_DOT: Final = re.compile(r"%(?:25)*2e", re.IGNORECASE)
_DIVIDERS: Final = (re.compile("/"), re.compile(_SLASH, re.IGNORECASE))
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})|[^\x21-\x7e]")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def public_target(target: str) -> str:
    """The target without the parameters that are secrets, for heads and tags."""
    path, mark, query = target.partition("?")
    if not mark:
        return target
    pairs = [pair.raw for pair in query_pairs(query) if not is_secret_parameter(pair.name)]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def normal_target(target: str) -> str:
    """One spelling for targets that RFC 3986 §6.2.2 calls the same."""
    if "%" not in target and "/." not in target and target.isascii():
        return target
    path, mark, query = _ESCAPE.sub(_spelled, target).partition("?")
    kept: list[str] = []
    for segment in path.split("/")[1:] if "/." in path else ():
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if "/." in path:
        last = "" if not path.endswith(("/.", "/..")) or not kept else "/"
        path = "/" + "/".join(kept) + last
    return path + mark + query


def _spelled(found: re.Match[str]) -> str:
    if found[1] is None:
        octets = found[0].encode("latin-1" if found[0] <= "\xff" else "utf-8", "surrogatepass")
        return "".join(f"%{octet:02X}" for octet in octets)
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def is_plain(path: str) -> bool:
    """Whether nothing in this raw path could be read in two ways: all but a few paths are so."""
    escaped = "%" in path or "\\" in path or ";" in path
    return not escaped and "/." not in path and path.startswith("/")


def has_dot_segments(path: str) -> bool:
    """Whether some server may find `.` or `..` among the segments of this raw path.

    Escaped once or more, divided by an escaped slash or a backslash, or before a parameter.
    """
    return not is_plain(path) and _DOT_SEGMENT.search(path) is not None


def climbs_out(path: str) -> bool:
    """Whether a server that resolves dot segments may end above where this raw path begins."""
    return has_dot_segments(path) and any(_lowest(divider.split(path)) < 0 for divider in _DIVIDERS)


def _lowest(segments: list[str]) -> int:
    """The least depth on the way; empty segments, which some servers drop, count for nothing."""
    depth = lowest = 0
    for segment in segments:
        dots = _DOTS.match(segment)
        if dots is None:
            depth += bool(segment)
        else:
            depth -= len(_ESCAPED_DOT.sub(".", dots[1])) - 1
            lowest = min(lowest, depth)
    return lowest
