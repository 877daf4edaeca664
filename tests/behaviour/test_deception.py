"""A victim lured to an odd spelling of a private page must not leave it for others to fetch.

Web cache deception (docs/http-coverage.md). The upstream here serves `/account` under every
spelling that some framework would take for it, and says that its answers may be stored.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote_to_bytes

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

SECRET = "sid-of-the-victim"
CREDENTIAL_FIELDS = ("cookie", "authorization", "x-api-key")
CREDENTIALS: dict[str, FieldLines] = {
    "cookie": {"Cookie": SECRET},
    "authorization": {"Authorization": SECRET},
    "api-key": {"X-Api-Key": SECRET},
}
ATTACKERS: list[FieldLines] = [
    {},
    {"Cookie": "sid-of-mine"},
    {"Authorization": "mine"},
    {"X-Api-Key": "mine"},
    {"Cookie": "sid-of-mine", "Authorization": "mine", "X-Api-Key": "mine"},
]
RULES = {
    "http": "",
    "rule": "- {name: all, match: 'GET /{any:path}', ttl: 1h}",
    "template": "- {name: all, match: 'GET /{any:path}', ttl: 1h, key: 'k:{path.any}'}",
    "tenant": "- {name: all, match: 'GET /{any:path}', ttl: 1h, scope: [method, credential]}",
}
# What an operator who means public files writes: the part of the path, or the suffix, is trusted.
STATIC = "- {name: files, match: 'GET /static/{rest:path}', ttl: 1h, scope: shared}"
STYLES = "- {name: styles, match: 'GET /{file}.css', ttl: 1h, scope: shared}"

SUFFIXES = [
    *("/account.css", "/account/x.css", "/account;x.js", "/account%2f.css", "/account%2fx.css"),
    *("/account%3bx.css", "/account%00.css", "/account%0a.css", "/account%0d%0a.css"),
    *("/account%23.css", "/account%3f.css", "/account%3fx.css", "/account%5cx.css", "/account//"),
    *("//account", "/./account", "/x/../account", "/%61ccount", "/account?x.css", "/account?.css"),
    *("/account%252f.css", "/account%253f.css", "/account.css?a;b", "/account;/x.css"),
]
CLIMBS = [
    *("/static/../account", "/static/..%2faccount", "/static/%2e%2e/account"),
    *("/static/%2e%2e%2faccount", "/static/.%2e/account", "/static/..%5caccount"),
    *("/static/..\\account", "/static/..;/account", "/static/..;x=1/account"),
    *("/static/a/../../account", "/static/%252e%252e%252faccount", "/static/..%3b/account"),
    *("/static/x%2f..%2f..%2faccount", "/static/./../account", "/static/x/..;a/../account"),
]


def account(origin: Origin, *fields: tuple[str, str]) -> None:
    """`/account`, by whatever name, tells its visitor's credentials; all else is the same."""

    def reply(request: Received) -> Answer:
        told = " ".join(request.fields.get(name) or "-" for name in CREDENTIAL_FIELDS)
        body = told if _lenient(request.target).startswith("/account") else "public"
        return answer(body, fields=fields)

    origin.handler = reply


def _lenient(target: str) -> str:
    """The path as the most forgiving of all frameworks would take it."""
    path = target.partition("?")[0]
    for _ in range(2):
        path = unquote_to_bytes(path.encode()).decode("latin-1")
    path = re.split(r"[\0\r\n?#]", path)[0].replace("\\", "/")
    return posixpath.normpath(re.sub(r"/+", "/", re.sub(r";[^/]*", "", path)))


@pytest.mark.parametrize("said", ["max-age=600", "max-age=600, stale-while-revalidate=60"])
@pytest.mark.parametrize("routes", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("credential", CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_no_spelling_of_a_private_page_crosses_credentials(
    larder: StartLarder, origin: Origin, said: str, routes: str, credential: FieldLines
) -> None:
    account(origin, ("Cache-Control", said))
    proxy = await larder(routes)
    for target in [*SUFFIXES, *CLIMBS]:
        assert SECRET in (await proxy.get(f"/db{target}", credential)).body.decode(), target
        for attacker in ATTACKERS:
            assert SECRET not in (await proxy.get(f"/db{target}", attacker)).body.decode(), target


@pytest.mark.parametrize("validator", [("ETag", '"same"'), ("Last-Modified", "{date}")])
async def test_nor_does_a_validator_let_it_through(
    larder: StartLarder, origin: Origin, validator: tuple[str, str]
) -> None:
    """A page that is stored to be validated, by heuristics or not, is its visitor's as well."""
    name, value = validator
    account(origin, (name, value.format(date="Sun, 06 Nov 1994 08:49:37 GMT")))
    proxy = await larder()
    for target in SUFFIXES:
        await proxy.get(f"/db{target}", CREDENTIALS["cookie"])
        for attacker in ATTACKERS:
            told = await proxy.get(f"/db{target}", attacker)
            assert SECRET not in told.body.decode(), target


@pytest.mark.parametrize(
    ("routes", "targets"),
    [
        pytest.param(STATIC, CLIMBS, id="prefix"),
        pytest.param(
            STYLES,
            [each for each in SUFFIXES if each.endswith(".css") and "%" in each],
            id="suffix",
        ),
    ],
)
@pytest.mark.parametrize("credential", CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_a_rule_for_public_files_does_not_store_what_may_be_another_page(
    larder: StartLarder,
    origin: Origin,
    routes: str,
    targets: list[str],
    credential: FieldLines,
) -> None:
    """`scope: shared` speaks of what the rule's path says, not of what it might be read as."""
    account(origin)
    proxy = await larder(routes)
    for target in targets:
        told = await proxy.get(f"/db{target}", credential)
        assert SECRET in told.body.decode(), target
        assert told["X-Cache"] == "BYPASS", target
        for attacker in ATTACKERS:
            assert SECRET not in (await proxy.get(f"/db{target}", attacker)).body.decode(), target


async def test_it_says_why(larder: StartLarder, origin: Origin) -> None:
    account(origin)
    proxy = await larder(STYLES)
    told = await proxy.get("/db/account%2f.css", CREDENTIALS["cookie"])
    assert told["Cache-Status"] == "larder; fwd=bypass; fwd-status=200; detail=ambiguous-path"


async def test_public_files_with_plain_paths_are_shared_with_everybody(
    larder: StartLarder, origin: Origin
) -> None:
    """And those with odd paths too, when whoever asks shows no credential."""
    account(origin)
    proxy = await larder(STATIC)
    plain = [await proxy.get("/db/static/a%20b.css", each) for each in ATTACKERS]
    assert x_cache(*plain) == ["MISS", *["HIT"] * (len(ATTACKERS) - 1)]
    odd = [await proxy.get("/db/static/a%2fb.css") for _ in range(2)]
    assert x_cache(*odd) == ["MISS", "HIT"]


async def test_an_answer_that_says_it_is_for_all_is_taken_at_its_word(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §5.2.2.9: `public` on a private page is the upstream's mistake, and no cache's."""
    account(origin, ("Cache-Control", "public, max-age=600"))
    proxy = await larder()
    await proxy.get("/db/account.css", CREDENTIALS["cookie"])
    assert (await proxy.get("/db/account.css"))["X-Cache"] == "HIT"


async def test_a_private_answer_is_not_stored_whatever_its_path(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §5.2.2.7, and no-store: the suffix means nothing to Larder."""
    proxy = await larder()
    for said in ("private, max-age=600", "no-store"):
        account(origin, ("Cache-Control", said))
        for target in SUFFIXES:
            await proxy.get(f"/db{target}")
            assert (await proxy.get(f"/db{target}"))["X-Cache"] != "HIT", target
