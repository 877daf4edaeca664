"""`larder explain`, from the rules and live."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from proxy.cli.explain import as_text
from proxy.edges.explain import explain, make_request
from proxy.messages import Alias
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import NOW, SmallProgram, keep, stored
from tests.support.rules import config_of

RULES = """
upstreams:
  db:
    url: https://db.example
    routes:
      - {name: scenes, match: "GET /scenes/{id}", ttl: 5m, scope: shared}
      - {name: chat, match: POST /chat, key: "ai:{body.prompt}", ttl: 1h}
      - {name: answered, match: GET /answered, ttl: off}
"""


@pytest.fixture
def rules(tmp_path: Path, larder: CommandLine) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    larder.env(LARDER_RULES=str(path))
    return path


@pytest.mark.usefixtures("rules")
class TestOffline:
    def test_a_request_with_a_key(self, larder: CommandLine) -> None:
        ran = larder.run("explain", "GET", "/db/scenes/7?a=1")
        assert ran.code == 0
        for line in (
            "GET /db/scenes/7?a=1",
            "upstream  db, target /scenes/7?a=1",
            "route     scenes",
            "ttl       default_s 300.0",
            "scope     shared",
            "          path: /scenes/7",
        ):
            assert line in ran.out.splitlines()
        assert "plan" not in ran.out

    def test_routes_passed_over_say_why(self, larder: CommandLine) -> None:
        ran = larder.run("explain", "GET", "/db/answered")
        assert "  not     scenes: the path does not match GET /scenes/{id}" in ran.out
        assert "bypass    ttl-off: the route says ttl: off" in ran.out

    def test_no_upstream(self, larder: CommandLine) -> None:
        ran = larder.run("explain", "GET", "/nowhere")
        assert ran.out.splitlines()[1:] == ["no upstream is mounted there:", "          db: /db"]

    @pytest.mark.parametrize("how", ["text", "file", "stdin"])
    def test_the_body_from_where_it_is(self, larder: CommandLine, tmp_path: Path, how: str) -> None:
        body = '{"prompt": "hello"}'
        (tmp_path / "body").write_text(body)
        larder.monkeypatch.setattr("sys.stdin", io.StringIO(body))
        data = {"text": body, "file": f"@{tmp_path / 'body'}", "stdin": "@-"}[how]
        ran = larder.run("explain", "POST", "/db/chat", "-d", data, "--json")
        assert ran.json["key"]["head"] == "ai:hello"

    def test_fields_count(self, larder: CommandLine) -> None:
        ran = larder.run(
            "explain", "GET", "/db/scenes/7", "-H", "Cache-Control: no-store", "--json"
        )
        assert ran.json["bypass"]["reason"] == "request-no-store"

    @pytest.mark.parametrize(
        ("argv", "code", "message"),
        [
            (("/db/x", "-H", "nonsense"), 2, "-H: must be 'Name: value'"),
            (("x",), 2, "url: must be a URL of the proxy"),
            (("/db/x", "-d", "@/nope"), 1, "-d: cannot read /nope"),
        ],
    )
    def test_mistakes(
        self, larder: CommandLine, argv: tuple[str, ...], code: int, message: str
    ) -> None:
        ran = larder.run("explain", "GET", *argv)
        assert (ran.code, ran.out) == (code, "")
        assert ran.err.startswith(f"larder explain: {message}")

    def test_a_wrong_field_does_not_show_its_value(self, larder: CommandLine) -> None:
        ran = larder.run("explain", "GET", "/db/x", "-H", "Bearer hunter2")
        assert "hunter2" not in ran.err


async def test_live_tells_what_is_stored_and_the_plan(larder: CommandLine) -> None:
    program = SmallProgram(CONFIG)
    async with admin_api(program) as url:
        ask = ("explain", "GET", "/db/scenes/7", "-H", "A: 1", "-H", "A: 2", "--admin", url)
        ran = await larder.ask(*ask)
        assert "plan      fetch, uri-miss: nothing is stored under this key" in ran.out
        key = bytes.fromhex((await larder.ask(*ask, "--json")).json["key"]["digest"])
        route = CONFIG.router.routes(CONFIG.upstreams[0])[0]
        keep(program.cache, key, stored(route_digest=route.digest))
        ran = await larder.ask(*ask)
        assert "stored    in memory, status 200, 9 B, ttl 50s" in ran.out
        assert "plan      serve, hit" in ran.out


async def test_live_without_an_address_asks_the_default_one(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        larder.env(LARDER_ADMIN=url.removeprefix("http://"))
        ran = await larder.ask("explain", "GET", "/db/scenes/7", "--live")
    assert "plan      fetch" in ran.out


@pytest.mark.parametrize(
    ("session", "line"),
    [
        (None, []),
        ({"digest": "5e55", "issued": None}, ["session   5e55"]),
        ({"digest": None, "issued": None}, ["session   none"]),
        (
            {"digest": "5e55", "issued": "cookie.sid"},
            ["session   none: a new one is issued in cookie.sid"],
        ),
        (
            {"digest": "5e55", "issued": None, "life": None},
            ["session   5e55, its life begins with this request"],
        ),
        (
            {"digest": "5e55", "issued": None, "life": {"age_s": 90, "idle_s": 30}},
            ["session   5e55, age 1m 30s, idle 30s"],
        ),
    ],
)
def test_the_session(session: dict[str, object] | None, line: list[str]) -> None:
    said = explain(CONFIG, make_request("GET", "/db/scenes/7", [], "")).said
    told = as_text({**said, "session": session})
    assert [each for each in told if each.startswith("session")] == line


ALIASED = config_of("""
    upstreams:
      db:
        url: http://db.test
        routes:
          - name: by-id
            match: GET /calls/{id}
            key: "call:{path.id}"
            ttl: 1m
            aliases: ["call:lead:{response.body.id}"]
          - {name: by-lead, match: "GET /leads/{id}", key: "call:lead:{path.id}", ttl: 1m}
    """)


async def test_live_tells_what_an_alias_led_to(larder: CommandLine) -> None:
    program = SmallProgram(ALIASED)
    async with admin_api(program) as url:

        async def digest(target: str) -> bytes:
            ran = await larder.ask("explain", "GET", target, "--admin", url, "--json")
            return bytes.fromhex(ran.json["key"]["digest"])

        own, other = await digest("/db/calls/7"), await digest("/db/leads/7")
        rules = ALIASED.router.routes(ALIASED.upstreams[0])[0].digest
        entry = stored(route_digest=rules, route="by-id", head="call:7", aliases=(other,))
        keep(program.cache, own, entry)
        keep(program.cache, other, Alias(target=own, route_digest=rules, expires_at=NOW + 60))
        by_id = await larder.ask("explain", "GET", "/db/calls/7", "--admin", url)
        by_lead = await larder.ask("explain", "GET", "/db/leads/7", "--admin", url)
    assert "an alias led to it: by-id, call:7" in by_lead.out
    assert "plan      serve, hit" in by_lead.out
    assert "an alias" not in by_id.out
