"""Keys: what counts, what does not, and what is refused a key."""

from __future__ import annotations

import pytest

from proxy.messages import Request
from proxy.outcomes import Bypass
from proxy.rules.forms import MAX_FIELDS
from proxy.rules.route import Identity
from proxy.rules.values import MAX_JSON, MAX_VALUES
from tests.support.build import request
from tests.unit.rules.support import digest, identity, matched, route_config

JSON = {"content-type": "application/json"}
DEFAULT = route_config("ttl: 5m\nscope: shared", match="GET,POST /a")


def post(body: object, target: str = "/api/a", **fields: str) -> Request:
    return request(
        "POST",
        target,
        fields={**JSON, **{k.replace("_", "-"): v for k, v in fields.items()}},
        body=body,
    )


def form(body: str, boundary: str = "b") -> Request:
    content = f"multipart/form-data; boundary={boundary}"
    return request(
        "POST", "/api/a", fields={"content-type": content}, body=body.replace("\n", "\r\n")
    )


def part(boundary: str, filename: str, value: str) -> str:
    head = f'Content-Disposition: form-data; name="f"; filename="{filename}"'
    return f"--{boundary}\n{head}\n\n{value}\n--{boundary}--\n"


SAME = {
    "member order": (post('{"a":1,"b":2}'), post('{"b": 2, "a": 1}')),
    "query order": (post({}, "/api/a?x=1&y=2"), post({}, "/api/a?y=2&x=1")),
    "other header": (post({}), post({}, x_request_id="7", user_agent="b")),
    "other credential when shared": (post({}, authorization="1"), post({}, authorization="2")),
    "HEAD and GET": (request("HEAD", "/api/a?x"), request("GET", "/api/a?x")),
    "boundary": (form(part("b", "x.mp3", "v")), form(part("c", "y.mp3", "v"), "c")),
}
DIFFERENT = {
    "1 and 1.0": (post('{"a":1}'), post('{"a":1.0}')),
    "1 and true": (post('{"a":1}'), post('{"a":true}')),
    "null and absent": (post('{"a":null}'), post("{}")),
    "big integers": (post('{"a":9007199254740992}'), post('{"a":9007199254740993}')),
    "long decimals": (post('{"a":0.1}'), post('{"a":0.1000000000000000055}')),
    "overflowing numbers": (post('{"a":1e400}'), post('{"a":1e500}')),
    "vanishing numbers": (post('{"a":1e-400}'), post('{"a":1e-500}')),
    "a NaN is not a decimal": (post('{"a":NaN}'), post('{"a":1e400}')),
    "duplicate members": (post('{"a":1,"a":2}'), post('{"a":2}')),
    "list order": (post("[1,2]"), post("[2,1]")),
    "order of a repeated name": (post({}, "/api/a?x=1&x=2"), post({}, "/api/a?x=2&x=1")),
    "a repeated name spelled two ways": (
        post({}, "/api/a?x=1&%78=2"),
        post({}, "/api/a?%78=2&x=1"),
    ),
    "empty query": (post({}, "/api/a?"), post({}, "/api/a")),
    "method": (post(""), request("GET", "/api/a", fields=JSON)),
    "media type": (
        post("{}"),
        request("POST", "/api/a", fields={"content-type": "text/plain"}, body="{}"),
    ),
    "content coding": (post("{}"), post("{}", content_encoding="gzip")),
    "file extension": (form(part("b", "x.mp3", "v")), form(part("b", "x.wav", "v"))),
    "file content": (form(part("b", "x.mp3", "v")), form(part("b", "x.mp3", "w"))),
    "epilogue of a form": (form(part("b", "x", "v")), form(part("b", "x", "v") + "more")),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_requests_that_share_an_answer(pair: tuple[Request, Request]) -> None:
    assert digest(DEFAULT, pair[0]) == digest(DEFAULT, pair[1])


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_requests_that_never_share_an_answer(pair: tuple[Request, Request]) -> None:
    assert digest(DEFAULT, pair[0]) != digest(DEFAULT, pair[1])


RULES = [
    ("body: [model]", '{"model":"m","x":1}', '{"model":"m","x":2}', True),
    ("body: [model]", '{"model":"m"}', '{"model":null}', False),
    ('body: ["n: list | length(@)"]', '{"list":[1,2]}', '{"list":[3,4]}', True),
    ("ignore: [body.user]", '{"user":"a","x":1}', '{"x":1}', True),
    ("ignore: ['body.m[].id']", '{"m":[{"id":1,"t":2}]}', '{"m":[{"id":9,"t":2}]}', True),
    ("ignore: [body]", '{"x":1}', '{"x":2}', True),
    ("normalize: {body.p: [trim, squash, lower]}", '{"p":" A  b "}', '{"p":"a b"}', True),
    ("normalize: {body.p: upper}", '{"p":"a"}', '{"p":"A"}', True),
    ("normalize: {body.p: sort}", '{"p":[2,1]}', '{"p":[1,2]}', True),
    ("normalize: {body.s: {default: 1.0, round: 2}}", '{"s":1}', "{}", True),
    ("normalize: {body.s: {round: 2}}", '{"s":1.001}', '{"s":1}', True),
    ("normalize: {body.s: {round: 2}}", '{"s":"1"}', '{"s":1}', False),
    ("name: tts", '{"x":1}', '{"x":2}', False),
]


@pytest.mark.parametrize(("key", "left", "right", "same"), RULES)
def test_parts_of_a_body(key: str, left: str, right: str, same: bool) -> None:
    config = route_config(f"ttl: 5m\nkey: {{{key}}}")
    assert (digest(config, post(left)) == digest(config, post(right))) is same


QUERIES = [
    ("ignore: [query.utm_*]", "?a=1&utm_x=2", "?a=1", True),
    ("ignore: [query]", "?a=1", "?b=2", True),
    ("normalize: {query.size: {default: big}}", "?size=big", "", True),
    ("normalize: {query.size: lower}", "?size=BIG", "?size=big", True),
    ("ignore: [query.b]", "?a=1", "?a=2", False),
    ("ignore: [query.utm_*]", "?a=1&utm_x=2;a=3", "?a=1", False),
    ("ignore: [query]", "?a=1;b=2", "?b=2", False),
]


@pytest.mark.parametrize(("key", "left", "right", "same"), QUERIES)
def test_parts_of_a_query(key: str, left: str, right: str, same: bool) -> None:
    config = route_config(f"ttl: 5m\nkey: {{{key}}}")
    pair = [digest(config, post("{}", f"/api/a{query}")) for query in (left, right)]
    assert (pair[0] == pair[1]) is same


def test_headers_count_only_where_they_are_named() -> None:
    config = route_config("ttl: 5m\nkey: {headers: [anthropic-version]}")
    assert digest(config, post({}, anthropic_version="1")) != digest(config, post({}))
    assert digest(config, post({}, other="1")) == digest(config, post({}))


TEMPLATES = [
    ("a:{body.x}", '{"x":1}', '{"x":"1"}', True),
    ("a:{body.x}", '{"x":[1]}', '{"x":"[1]"}', False),
    ("a:{body.x}", '{"x":true}', '{"x":"true"}', False),
    ("{body.x}{body.y}", '{"x":"ab","y":"c"}', '{"x":"a","y":"bc"}', False),
    ("{body.x}", '{"x":"a","z":1}', '{"x":"a"}', True),
]


@pytest.mark.parametrize(("key", "left", "right", "same"), TEMPLATES)
def test_values_of_a_template(key: str, left: str, right: str, same: bool) -> None:
    config = route_config(f'ttl: 5m\nkey: "{key}"')
    assert (digest(config, post(left)) == digest(config, post(right))) is same


FORM = {"content-type": "application/x-www-form-urlencoded"}
LONG = post('{"x":1}'.ljust(MAX_JSON + 1))
MANY = post("[" + "0," * MAX_VALUES + "0]")
FIELDS = request("POST", "/api/a", fields=FORM, body="x=1&" * MAX_FIELDS)
BYPASSES = [
    ('ttl: 5m\nkey: "{body.x}"', post({}), Bypass.MISSING_SELECTOR),
    ('ttl: 5m\nkey: "{body.x}"', post('{"x":null}'), Bypass.MISSING_SELECTOR),
    ('ttl: 5m\nkey: "{body.x}"', post("no json"), Bypass.BODY_NOT_JSON),
    ('ttl: 5m\nkey: "{body.x}"', post(None), Bypass.BODY_TOO_LARGE),
    ("ttl: 5m\nkey: {body: [x]}", post("no json"), Bypass.BODY_NOT_JSON),
    ("ttl: 5m\nkey: {body: [x]}", post('{"x":1,"x":2}'), Bypass.BODY_NOT_JSON),
    ("ttl: 5m", post(None), Bypass.BODY_TOO_LARGE),
    ("ttl: 5m", post({}, x_http_method_override="DELETE"), Bypass.OVERRIDE_FIELD),
    ("ttl: 5m", post({}, "/api/a/../b"), Bypass.DOTS),
    ("ttl: 5m\nscope: shared", post({}, "/api/a/..%2fb"), Bypass.DOTS),
    ("ttl: 5m", post({}, x_http_destinationurl="/x"), Bypass.OVERRIDE_FIELD),
    ('ttl: 5m\nkey: "{body.x}"', LONG, Bypass.BODY_UNPARSED),
    ("ttl: 5m\nkey: {body: [x]}", LONG, Bypass.BODY_UNPARSED),
    ("ttl: 5m\nkey: {body: [x]}", MANY, Bypass.BODY_UNPARSED),
    ("ttl: 5m\nscope: [body.x]", LONG, Bypass.BODY_UNPARSED),
    ('ttl: 5m\ntags: ["t:{body.x}"]', LONG, Bypass.BODY_UNPARSED),
    ("ttl: 5m\nserve_if: {body.x: {not: 1}}", LONG, Bypass.BODY_UNPARSED),
    ("ttl: 5m\nstore_if: {body.x: {not: 1}}", LONG, Bypass.BODY_UNPARSED),
    ("ttl: 5m\ncredentials: [body.x]", LONG, Bypass.BODY_UNPARSED),
    ("when: {body.x: {not: 1}}\nttl: 5m", LONG, Bypass.BODY_UNPARSED),
    ('ttl: 5m\nkey: "{form.x}"', FIELDS, Bypass.BODY_UNPARSED),
    ('ttl: 5m\nkey: "{form.x}"', LONG, Bypass.MISSING_SELECTOR),
    ("ttl: off", post({}), Bypass.TTL_OFF),
    ("ttl: http", post({}), Bypass.METHOD),
    ("ttl: 5m\nenabled: false", post({}), Bypass.ROUTE_DISABLED),
]


@pytest.mark.parametrize(("route", "asked", "reason"), BYPASSES)
def test_requests_without_a_key(route: str, asked: Request, reason: Bypass) -> None:
    assert identity(route_config(route, match="POST /{any:path}"), asked) is reason


@pytest.mark.parametrize(
    "route", ["ttl: http", "ttl: 5m\nkey: 'k:{path}'", "ttl: 5m\nkey: {ignore: [body]}"]
)
def test_a_get_with_a_body_has_no_key_where_the_body_does_not_count(route: str) -> None:
    config = route_config(route, match="GET /a")
    for body in ("x", None):
        assert identity(config, request("GET", "/api/a", body=body)) is Bypass.GET_BODY
    assert isinstance(identity(config, request("GET", "/api/a")), Identity)


OVERRIDES = [
    ("ttl: 5m", "x-http-method-override", True),
    ("ttl: 5m", "X_HTTP_Method_Override", True),
    ("ttl: 5m", "X-Original-URL", True),
    ("ttl: 5m", "X-Original-Note", False),
    ("ttl: 5m\nkey: {headers: [x-original-url]}", "X-Original-URL", False),
]


@pytest.mark.parametrize(("route", "name", "passes"), OVERRIDES)
def test_fields_that_ask_for_another_request(route: str, name: str, passes: bool) -> None:
    asked = request("POST", "/api/a", fields={name: "x"})
    assert (identity(route_config(route), asked) is Bypass.OVERRIDE_FIELD) is passes


PATHS = [
    ("scope: shared", {"cookie": "a"}, "/api/a/..%2fb", True),
    ("scope: [header.x-org]", {"cookie": "a", "x-org": "1"}, "/api/a/..%2fb", True),
    ("scope: credential", {"cookie": "a"}, "/api/a/..%2fb", False),
    ("scope: shared", {}, "/api/a/..%2fb", False),
    ("scope: shared", {"cookie": "a"}, "/api/a/b", False),
]


@pytest.mark.parametrize(("scope", "fields", "target", "passes"), PATHS)
def test_a_path_of_two_meanings_keeps_an_answer_to_its_asker(
    scope: str, fields: dict[str, str], target: str, passes: bool
) -> None:
    config = route_config(f"ttl: 5m\n{scope}", match="GET /a/{rest:path}")
    assert (identity(config, request("GET", target, fields=fields)) is Bypass.PATH) is passes


HEADS = [
    ('key: "tts:{body.v}:{header.x-api-key}"', post({"v": "a"}, x_api_key="S3CRET"), "tts:a:"),
    ("key: {name: CACHE#tts}", post({}, "/api/a?api_key=S3CRET"), "CACHE#tts#"),
    ("scope: shared", post({}, "/api/a?key=S3CRET&v=1"), "POST api/a?v=1 #"),
    ("scope: shared", post({}, "/api/a?token=S3CRET&v=1"), "POST api/a?v=1 #"),
    ("scope: shared", post({}, "/api/a?v=1&sig=S3CRET&Jwt=S3CRET"), "POST api/a?v=1 #"),
    ('key: "k:{query.token}"', post({}, "/api/a?token=S3CRET"), "k:"),
    ('key: "k:{header.x-auth-token}"', post({}, x_auth_token="S3CRET"), "k:"),
]


@pytest.mark.parametrize(("route", "asked", "head"), HEADS)
def test_heads_are_readable_and_have_no_secret(route: str, asked: Request, head: str) -> None:
    found = identity(route_config(f"ttl: 5m\n{route}"), asked)
    assert isinstance(found, Identity)
    assert found.key.head.startswith(head)
    assert "S3CRET" not in found.key.head


def test_a_credential_in_the_query_still_parts_answers() -> None:
    config = route_config("ttl: 5m")
    assert digest(config, post({}, "/api/a?key=1")) != digest(config, post({}, "/api/a?key=2"))


def test_ignored_header_fields_select_no_variant() -> None:
    route = matched(route_config("ttl: 5m\nkey: {ignore: [header.x-req-*]}"), post({})).route
    assert not route.selects("X-Req-Id")
    assert route.selects("Accept")


UNPARSED = {"long": LONG, "many values": MANY, "many fields": FIELDS}


@pytest.mark.parametrize("asked", UNPARSED.values(), ids=UNPARSED)
@pytest.mark.parametrize("key", ["", "key: {ignore: [body.user, form.user]}"])
def test_a_body_too_big_to_be_parsed_counts_byte_for_byte(asked: Request, key: str) -> None:
    """RULES §3: the whole body counts; then so does the white space in it."""
    config = route_config(f"ttl: 5m\n{key}")
    assert asked.body is not None
    other = request("POST", "/api/a", fields=asked.fields, body=asked.body + b" ")
    assert digest(config, asked) == digest(config, asked)
    assert digest(config, asked) != digest(config, other)


def test_a_route_is_not_guessed_from_a_body_that_was_not_parsed() -> None:
    """What a condition would say of it is unknown, so nothing is looked up in any route."""
    config = route_config("when: {body.stream: true}\nttl: 5m", "defaults: {ttl: 1m}")
    small = post('{"stream":false}')
    assert matched(config, small).route.name == "api"
    long = matched(config, LONG)
    assert long.route.identify(long.subject) is Bypass.METHOD
    routes = "when: {body.stream: {not: true}, header.x: go}\nttl: 5m"
    elsewhere = identity(route_config(routes), LONG)
    assert elsewhere is Bypass.METHOD  # the header decides: nothing had to be guessed


def test_what_a_body_too_big_to_parse_would_invalidate_may_be_anything() -> None:
    match = matched(route_config('ttl: off\ninvalidate: {tags: ["t:{body.x}"]}'), LONG)
    assert match.route.leaves_unread(match.subject)
    small = matched(route_config('ttl: off\ninvalidate: {tags: ["t:{body.x}"]}'), post({}))
    assert not small.route.leaves_unread(small.subject)


def test_what_was_parsed_of_a_body_is_let_go_once_the_key_is_known() -> None:
    """It is many times the body's size, and the upstream may take minutes."""
    asked = post('{"x":1}')
    plain, tagged = (
        matched(route_config(route), asked) for route in ("ttl: 5m", 'ttl: 5m\ntags: ["{body.x}"]')
    )
    for match in (plain, tagged):
        match.route.identify(match.subject)
    assert "json" not in vars(plain.subject.facts)
    assert "json" in vars(tagged.subject.facts)
