"""Every mistake of a file at once, each with its place and its remedy, none with a secret."""

from __future__ import annotations

import pytest

from tests.unit.rules.support import problems

GOOD = "upstreams: {a: {url: http://a}}\n"


def routes(route: str) -> str:
    return f"upstreams: {{a: {{url: http://a, routes: [{{name: r, {route}}}]}}}}"


ROWS = [
    ("empty", "", "1:1: the file is empty; write at least"),
    ("comment only", "# nothing", "1:1: the file is empty"),
    ("null", "~", "1:1: the file is empty"),
    ("list", "- a", "1:1: a rule file is a mapping"),
    (
        "tab",
        "upstreams:\n\ta: 1",
        "2:1: not valid YAML: found character '\\t' that cannot start any token; indent with",
    ),
    ("syntax", "upstreams: {a: [}", "1:17: not valid YAML"),
    (
        "two documents",
        GOOD + "---\n" + GOOD,
        "2:1: not valid YAML: but found another document; keep one document",
    ),
    (
        "duplicate key",
        GOOD + "version: 1\nversion: 1",
        "3:1: `version` is given twice, first at rules.yaml:2:1",
    ),
    ("no upstreams", "version: 1", "1:1: the rule file has no `upstreams`; write upstreams:"),
    ("empty upstreams", "upstreams: {}", "1:1: there is no upstream"),
    (
        "unknown key",
        GOOD + "serverr: {}",
        "2:1: the rule file has no key `serverr`; did you mean `server`?",
    ),
    (
        "later key",
        GOOD + "store: {blobs: x}",
        "2:9: `blobs` is known but not in this version of Larder",
    ),
    (
        "version",
        GOOD + "version: 2",
        "2:10: `2` is not such a number; write a whole number from 1 to 1",
    ),
    ("yes is a word", GOOD + "defaults: {enabled: yes}", "2:21: `yes` is not true or false"),
    (
        "size",
        GOOD + "store: {max_object: 5MB}",
        "2:21: `5MB` is not a size; write a whole number with B, KiB",
    ),
    (
        "duration",
        GOOD + "store: {max_lag: 5}",
        "2:18: `5` is not a duration; write a number with ms, s, m, h or d",
    ),
    (
        "a lag that is none",
        GOOD + "store: {max_lag: 99ms}",
        "2:18: `99ms` is not a duration; shorter than following the journal takes: write 100ms",
    ),
    (
        "address",
        GOOD + "server: {listen: '8080'}",
        "2:18: `8080` is not an address; write HOST:PORT",
    ),
    ("port", GOOD + "server: {listen: ':99999'}", "2:18: `:99999` is not an address"),
    (
        "sentinel",
        GOOD + "store: {shared: redis+sentinel://s3cret@h}",
        "2:17: this is not a shared store; this kind of Redis is known but not in this version",
    ),
    ("mapping", GOOD + "server: 8080", "2:9: server is a mapping; write {listen: …"),
    ("url", "upstreams: {a: {url: a.com}}", "1:22: this is not a URL; write http://HOST"),
    (
        "url with password",
        "upstreams: {a: {url: 'http://u:s3cret@h'}}",
        "1:22: this is not a URL; a URL here has no user or password",
    ),
    ("no url", "upstreams: {a: {}}", "1:16: an upstream has no `url`; write url: http://HOST"),
    ("mount", "upstreams: {a: {url: http://a, mount: x}}", "1:39: `x` is not a mount"),
    (
        "mount and host",
        "upstreams: {a: {url: http://a, mount: /x, host: h}}",
        "1:32: an upstream has a mount or a host, not both",
    ),
    (
        "same mount",
        "upstreams: {a: {url: http://a}, b: {url: http://b, mount: /a}}",
        "1:52: the mount /a is already taken at rules.yaml:1:13",
    ),
    (
        "framing header",
        "upstreams: {a: {url: http://a, headers: {set: {Content-Length: 1}}}}",
        "1:48: `Content-Length` is not a header name; the proxy writes content-length itself",
    ),
    (
        "header value",
        'upstreams: {a: {url: http://a, headers: {set: {x: "s3cret\\r\\n"}}}}',
        "1:51: this is not a header value; write one line of text",
    ),
    (
        "route without name",
        "upstreams: {a: {url: http://a, routes: [{ttl: 5m}]}}",
        "1:41: a route has no `name`",
    ),
    (
        "duplicate route",
        "upstreams: {a: {url: http://a, routes: [{name: x, match: /1}, {name: x, match: /2}]}}",
        "1:64: the name `x` is already used at rules.yaml:1:42",
    ),
    (
        "route named as upstream",
        "upstreams: {r: {url: http://a, routes: [{name: r}]}}",
        "1:42: the name `r` is already used at rules.yaml:1:13",
    ),
    (
        "unreachable",
        "upstreams: {a: {url: http://a,routes: [{name: x, match: '/p'}, {name: y, match: '/p'}]}}",
        "1:64: no request reaches this route: `x` takes them all first",
    ),
    ("no path", routes("match: GET"), "1:58: `GET` is not a match; write METHOD[,METHOD] PATH"),
    ("method", routes("match: get /"), "1:58: `get /` is not a match; `get` is no method"),
    (
        "query in match",
        routes("match: '/a?b'"),
        "1:58: `/a?b` is not a match; a path here has no query",
    ),
    ("parameter twice", routes("match: '/{a}/{a}'"), "`{a}` comes twice"),
    (
        "rest in the middle",
        routes("match: '/{a:path}/b'"),
        "`:path` can only stand in the last segment",
    ),
    (
        "no such parameter",
        routes("match: '/{id}', key: '{path.idd}'"),
        "1:67: `path.idd` is not in this route's match; did you mean `id`?",
    ),
    (
        "selector",
        routes("key: '{bdy.x}'"),
        "no selector begins with `bdy`; the selectors are method, host",
    ),
    ("bare root", routes("key: '{header}'"), "`header` needs a name: write header.NAME"),
    ("root with parts", routes("key: '{method.x}'"), "`method` has no parts"),
    (
        "event selector",
        routes("tags: ['{event.id}']"),
        "`event` selectors are known but not in this version",
    ),
    (
        "response in key",
        routes("key: '{response.status}'"),
        "`response.status` is not known yet here",
    ),
    ("JMESPath", routes("key: '{body.a[}'"), "`a[` is not JMESPath"),
    ("open brace", routes("key: 'a{body.x'"), "a `{` without its `}`"),
    ("close brace", routes("key: 'a}'"), "a `}` without its `{`"),
    ("template without quotes", routes("key: {body.prompt}"), "key has no key `body.prompt`"),
    (
        "matcher",
        routes("when: {method: {contain: 1}}"),
        "`contain` is no matcher; did you mean `contains`?",
    ),
    ("regex", routes("when: {method: {matches: '('}}"), "this is no regular expression"),
    ("empty condition", routes("when: []"), "an empty condition"),
    ("system tag", routes("tags: ['@all']"), "a tag cannot begin with @"),
    (
        "adaptive",
        routes("ttl: {default: 1s, adaptive: {}}"),
        "adaptive has no `min`",
    ),
    (
        "no lifetime",
        routes("ttl: {jitter: 10%}"),
        "this ttl names no lifetime; add default, from, status or adaptive",
    ),
    ("min over max", routes("ttl: {default: 1s, min: 2s, max: 1s}"), "`min` is longer than `max`"),
    (
        "margin alone",
        routes("ttl: {default: 1s, margin: 1s}"),
        "`margin` without `from` means nothing",
    ),
    ("percent", routes("ttl: {default: 1s, jitter: 0.1}"), "`0.1` is not a percentage"),
    ("status", routes("ttl: {status: {teapot: 1s}}"), "`teapot` is not a status code"),
    (
        "scope",
        routes("scope: privat"),
        "`privat` is not one of the words for this; write one of credential, session, shared",
    ),
    (
        "unverified claim",
        routes("ttl: 1s, scope: [jwt.sub]"),
        "`jwt.sub` is not verified, so anyone could claim it; write jwt: {key: …}",
    ),
    (
        "body and ignore",
        routes("key: {body: [a], ignore: [body.b]}"),
        "`ignore` names parts of a body of which",
    ),
    (
        "ignore",
        routes("key: {ignore: [path]}"),
        "`path` is not something to ignore; write body, body.PATH",
    ),
    (
        "ignored path",
        routes("key: {ignore: ['body.a[0]']}"),
        "a path in the body is names joined by dots",
    ),
    (
        "normalize step",
        routes("key: {normalize: {body.a: trm}}"),
        "this is no normalising step; write trim",
    ),
    (
        "normalize target",
        routes("key: {normalize: {header.a: trim}}"),
        "`header.a` is not something to normalise",
    ),
    ("later route key", routes("job: {}"), "`job` is known but not in this version"),
    ("empty invalidation", routes("invalidate: {on: any}"), "this item invalidates nothing"),
    ("hint", routes("path: /x"), "a route has no key `path`; write it in match"),
    (
        "variable",
        GOOD + "store: {shared: '${NO_SUCH}'}",
        "2:17: the environment variable NO_SUCH is not set; set it, or write ${NO_SUCH:-default}",
    ),
    ("reference", GOOD + "store: {shared: '${a b}'}", "2:17: `${` begins no environment value"),
    ("tag of YAML", GOOD + "version: !!int '1'", "is not understood; take it out"),
    ("alias in itself", "upstreams: &a {x: *a}", "an alias leads to itself"),
    ("key that is a list", GOOD + "? [a]\n: b", "2:3: a key must be a single word"),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_mistake(text: str, expected: str) -> None:
    found = problems(text)
    assert any(expected in problem for problem in found), found
    assert "s3cret" not in "".join(found)


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    text = (
        "server: {lissten: 1}\nstore: {max_lag: 5}\nupstreams:\n  a: {url: x}\n  b: {}\ncors: 1\n"
    )
    found = problems(text)
    assert [problem.split(":")[0] for problem in found] == ["1", "2", "4", "5", "6"]


@pytest.mark.parametrize("value", ["s3cret", "{s3cret", "s3cret}"])
@pytest.mark.parametrize(
    "place",
    [
        "ttl: '${V}'",
        "key: '{${V}}'",
        "match: '${V}'",
        "scope: '${V}'",
        "key: {normalize: {'body.a': '${V}'}}",
    ],
)
def test_an_environment_value_is_never_printed(place: str, value: str) -> None:
    found = problems(routes(place), {"V": value})
    assert found
    assert "s3cret" not in "".join(found)


@pytest.mark.parametrize("name", ["CACHE_ENABLED", "REDIS_ENABLED"])
def test_a_switch_that_is_none(name: str) -> None:
    expected = f"1:1: the environment variable {name} is no switch; set it to true or false"
    assert problems(GOOD, {name: "s3cret"}) == [expected]


def test_a_billion_laughs() -> None:
    levels = "\n".join(f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    assert any(
        "an alias leads to itself or to too much" in p for p in problems(f"k0: &a0 [x]\n{levels}")
    )


def test_a_file_nested_too_deeply() -> None:
    assert "nested too deeply" in problems("[" * 2000)[0]


def test_a_template_with_three_mistakes_has_three_problems() -> None:
    found = problems(routes("key: '{bdy.x}:{header}:{response.status}}'"))
    assert len(found) == 3, found
    early = problems(routes("key: '{response.status}:{response.body.x}'"))
    assert len(early) == 2, early
    assert all("is not known yet here" in problem for problem in early)


@pytest.mark.parametrize("workers", ["0", "2", "4", "true", "'${W}'"])
def test_more_than_one_worker_is_refused_and_what_to_do_instead(workers: str) -> None:
    found = problems(f"{GOOD}server: {{workers: {workers}}}", {"W": "4"})
    assert len(found) == 1
    assert "start more instances that share one store (REDIS_URL)" in found[0]
