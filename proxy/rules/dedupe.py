"""`dedupe`: an unsafe request goes up once, compiled.

Floor 2. Values only: what is done about them is in `decisions/deduping`. The defaults are the
documented ones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedupe:
    """A request goes up once in `window` seconds; the rest says what if that is not sure.

    `forward_when_down`: the shared store is out of reach; `forward_in_doubt`: the upstream may
    have acted on the first one, nobody knows; `forward_unkeyed`: this request has no key.
    """

    window: float
    forward_when_down: bool = True
    forward_in_doubt: bool = False
    forward_unkeyed: bool = True
