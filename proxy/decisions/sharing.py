"""Who may be given an answer that was fetched for another request.

It knows two requests on the same key, the answer's head and the plan for it. The key has
already told scopes apart; here it is Vary, credentials outside the key, and answers that
nothing stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.vary import select, selecting_names
from proxy.decisions.answer import AnswerPlan, Relay
from proxy.rules.lifetimes import HttpTtl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.messages import Response
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject

SERVER_ERROR = 500


def selecting_fields(
    route: Route, subject: Subject, response: Response, credential_fields: Sequence[str]
) -> tuple[str, ...]:
    """Names of the request fields that select this answer, sorted (RFC 9111 §4.1).

    Vary's, less those the rule ignores; Accept-Encoding where the answer is encoded; and
    under `ttl: http` the credentials that came with the request, unless the answer says it
    is for everybody: upstreams often forget to name them.
    """
    names = set(selecting_names(response.fields) or ())
    if isinstance(route.ttl, HttpTtl):
        directives = route.directives(response.fields)
        if not (directives.public or directives.s_maxage is not None):
            # Authorization is RFC 9111 §3.5's: what it keeps from others is not stored at all.
            others = (name for name in credential_fields if name != "authorization")
            names.update(name for name in others if name in subject.request.fields)
    else:
        names.discard("accept-encoding")  # identity coding was asked for
    if "content-encoding" in response.fields:
        names.add("accept-encoding")
    return tuple(sorted(name for name in names if route.selects(name)))


def may_join(
    route: Route,
    plan: AnswerPlan,
    response: Response,
    selecting: tuple[str, ...],
    leader: Subject,
    follower: Subject,
) -> bool:
    """Whether the follower may have the answer to the leader's request."""
    if selecting:
        mine = select(selecting, follower.request.fields)
        if mine != select(selecting, leader.request.fields):
            return False
    if not isinstance(plan, Relay):
        return True
    if "set-cookie" in response.fields or leader.credential != follower.credential:
        return False
    return response.status >= SERVER_ERROR or not isinstance(route.ttl, HttpTtl)
