"""What becomes of a request on a route with `dedupe`: the claims there are, and what they decide.

Reads claims and takes none, and asks the driver's own decisions, so that the two tell one story.
What only this process knows (a request under way here) shows as the claim it made.
"""

from __future__ import annotations

from typing import assert_never

from proxy.decisions.claim import CLAIMS, read
from proxy.decisions.deduping import (
    Decline,
    Replay,
    SendAgain,
    Wait,
    names_of,
    told,
)
from proxy.errors import StoreError
from proxy.identifying import identity_of
from proxy.outcomes import Bypass, NotServed, Reason, Refusal, Repeat
from proxy.rules.compiled import Match
from proxy.rules.dedupe import Dedupe
from proxy.store.notes import Notes

Json = dict[str, object]


def dedupe_listed(rule: Dedupe) -> Json:
    """The rule as a person reads it."""
    words = {True: "forward", False: "refuse"}
    return {
        "window_s": rule.window,
        "when_store_down": words[rule.forward_when_down],
        "in_doubt": words[rule.forward_in_doubt],
        "unkeyed": words[rule.forward_unkeyed],
    }


async def dedupe_planned(notes: Notes, match: Match, rule: Dedupe, now: float) -> Json:
    """What the driver would do with this request now."""
    names = names_of(match, identity_of(match))
    if isinstance(names, Decline):
        return _refused(names)
    if isinstance(names, Bypass):
        return _plan("send" if rule.forward_unkeyed else "refuse", names)
    doubtful: Reason | None = None
    for name in names:
        try:
            note = await notes.get(CLAIMS, name.key)
        except StoreError:
            return _plan("send" if rule.forward_when_down else "refuse", NotServed.STORE_DOWN)
        verdict = SendAgain() if note is None else told(read(note), name, rule, now)
        if not isinstance(verdict, SendAgain):
            return _answered(verdict)
        doubtful = doubtful or (None if note is None else Refusal.IN_DOUBT)
    return _plan("send", doubtful)


def _answered(verdict: Wait | Replay | Decline) -> Json:
    match verdict:
        case Wait():
            return {"do": "wait"}
        case Replay():
            return _plan("replay", Repeat.DEDUPED)
        case Decline():
            return _refused(verdict)
        case _:
            assert_never(verdict)


def _refused(said: Decline) -> Json:
    return {"status": said.status, "retry_after_s": said.retry_after} | _plan("refuse", said.reason)


def _plan(do: str, reason: Reason | None) -> Json:
    why = {} if reason is None else {"reason": reason.value, "sentence": reason.sentence}
    return {"do": do, **why}
