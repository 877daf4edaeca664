"""Why: what the rules make of a request, and what a running instance has for it.

Reads the same compiled rules the driver uses and asks them the same questions
in the same order, so it cannot tell another story. Writes nothing, calls no
upstream. Invariants: plain data first, text is made of it; secrets appear as
digests or not at all; every no is a word of `outcomes` with its sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve
from proxy.edges import entries
from proxy.edges.explain_dedupe import dedupe_listed, dedupe_planned
from proxy.edges.explain_key import key_parts
from proxy.edges.explain_session import session_of, with_life
from proxy.edges.listing import cost_listed, mounted_at, refusal_of, routes_of, ttl_listed
from proxy.edges.members import Kind, Member
from proxy.edges.purges import request_for
from proxy.edges.redact import redact_url
from proxy.fields import Fields
from proxy.identifying import identity_of
from proxy.messages import Request
from proxy.outcomes import Bypass, Reason
from proxy.rules.compiled import Config, Identity, Match, NeedsBody
from proxy.rules.settings import Upstream
from proxy.sessions import Sessions
from proxy.sight import look, look_for_part, plan_for, wants_part
from proxy.store.cache import Cache

MEMBERS: Final = (
    Member("url", Kind.TEXT, "a URL of the proxy, or a target that begins with /", required=True),
    Member("method", Kind.TEXT, "request method; GET unless given"),
    Member("headers", Kind.FIELDS, "request header fields by name"),
    Member("body", Kind.BODY, "request body as text"),
)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules make of a request; `identity` is None where nothing is looked up."""

    said: Json
    match: Match | None = None
    identity: Identity | None = None


def read_request(members: Mapping[str, object]) -> Request:
    """The request that checked members describe; ApiError 400 if its URL is none."""
    given = members.get("headers", {})
    lines: list[tuple[str, str]] = []
    if isinstance(given, dict):
        for name, value in given.items():
            lines += [(name, item) for item in (value if isinstance(value, list) else [value])]
    return make_request(
        str(members.get("method", "GET")), str(members["url"]), lines, str(members.get("body", ""))
    )


def make_request(method: str, url: str, lines: list[tuple[str, str]], body: str) -> Request:
    """A request as the proxy would get it; a Host line stands for the URL's authority."""
    request = request_for(method.upper(), url)
    fields = Fields(lines)
    return Request(
        method=request.method,
        target=request.target,
        authority=fields.get("host") or request.authority,
        scheme=request.scheme,
        fields=fields,
        body=body.encode(),
    )


def explain(config: Config, request: Request) -> Explanation:
    """What the rules make of this request."""
    said: Json = {"method": request.method, "url": redact_url(request.target)}
    routed = config.router.find(request)
    if routed is None:
        mounts = {upstream.name: mounted_at(upstream) for upstream in config.upstreams}
        return Explanation({**said, "upstream": None, "mounted": mounts})
    upstream, inner = routed
    said |= {"upstream": upstream.name, "target": redact_url(inner.target)}
    match = config.router.match(upstream, inner)
    if isinstance(match, NeedsBody):
        raise AssertionError(match)
    said |= _of_route(config, upstream, match)
    match, said["session"] = session_of(config.sessions, match)
    identity = identity_of(match)
    if isinstance(identity, Bypass):
        return Explanation({**said, "bypass": _reason(identity), "key": None}, match)
    said |= {"bypass": None, "scope": _scope(identity.scope), "key": _key(identity, match)}
    return Explanation(said, match, identity)


def _of_route(config: Config, upstream: Upstream, match: Match) -> Json:
    route = match.route
    passed = []
    for candidate in routes_of(config, upstream):
        if candidate.route is route:
            break
        passed.append({"route": candidate.route.name, "why": refusal_of(candidate, match.subject)})
    tags = route.tags(match.subject)
    return {
        "passed_over": passed,
        "route": route.name,
        "ttl": ttl_listed(route.ttl),
        "cost": None if route.cost is None else cost_listed(route.cost),
        "budgets": [each.name for each in config.budgets if route.name in each.routes],
        "tags": None if tags is None else [redact_url(tag) for tag in tags],
        "follows": list(route.following.texts),
        "dedupe": dedupe_listed(route.dedupe) if route.deduping and route.dedupe else None,
    }


def _scope(partition: str) -> str:
    """The partition for a person; one that ends in a colon is of requests without a credential."""
    return f"{partition}none" if partition.endswith(":") else partition or "shared"


def _key(identity: Identity, match: Match) -> Json:
    return {
        "head": redact_url(identity.key.head),
        "digest": identity.key.digest.hex(),
        "parts": key_parts(match.route.keying, match.subject),
    }


def _reason(reason: Reason) -> Json:
    return {"reason": reason.value, "sentence": reason.sentence}


async def with_stored(
    explanation: Explanation, cache: Cache, now: float, sessions: Sessions | None = None
) -> Json:
    """The same, with what is stored under the key now, and what the driver would do."""
    match, identity = explanation.match, explanation.identity
    rule = match.route.deduping if match is not None else None
    if match is not None and rule is not None:
        planned = await dedupe_planned(cache.notes, match, rule, now)
        return {**explanation.said, "stored": None, "plan": planned}
    said = explanation.said
    if match is not None and sessions is not None:
        match, said = await with_life(said, match, sessions, now)
    if match is None or identity is None:
        return {**said, "stored": None, "by_alias": False, "plan": None}
    sight = await look(cache, match, identity.key, now)
    plan = plan_for(match, sight, now)
    if not isinstance(plan, Serve) and wants_part(match):
        seen, plan = await look_for_part(cache, match, sight, plan, now)
        sight = seen if isinstance(plan, Serve) else sight
    stored: Json | None = None
    if sight.stored is not None and sight.tier is not None:
        place, tier = (sight.reached or sight.place).digest, sight.tier
        stored = entries.described(place, sight.stored, tier, now, soft=sight.soft)
    by_alias = sight.reached is not None
    return {**said, "stored": stored, "by_alias": by_alias, "plan": _planned(plan)}


def _planned(plan: LookupPlan) -> Json:
    match plan:
        case Serve(outcome=outcome, refresh=refresh):
            return {"do": "serve", "outcome": outcome.value, "refresh": refresh}
        case Fetch(forward=forward, reason=reason, validate=validate):
            conditional = validate is not None
            return {"do": "fetch", "forward": forward.value, "conditional": conditional} | _reason(
                reason
            )
        case Refuse(status=status, reason=reason):
            return {"do": "refuse", "status": status} | _reason(reason)
        case _:
            assert_never(plan)
