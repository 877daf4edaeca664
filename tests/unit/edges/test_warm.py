from __future__ import annotations

from proxy.edges.warm import progress
from tests.support.control import NOW, SmallProgram
from tests.support.larder import until
from tests.support.rules import config_of

RULES = """
upstreams: {db: {url: http://h, routes: [{name: items, ttl: 1h}]}}
warm: [{get: '/db/a?token=sekrit', every: 5m, headers: {authorization: Bearer sekrit}}]
"""


async def test_progress_before_and_after_and_no_secret_in_it() -> None:
    program = SmallProgram(config_of(RULES))
    before = progress(program.warming)
    assert (before["running"], before["began_at"], before["left"]) == (False, None, 0)
    program.warming.begin()
    assert progress(program.warming)["running"] is True
    program.going.set()
    await until(lambda: not program.warming.running)
    after = progress(program.warming)
    assert (after["began_at"], after["done"], after["failed"], after["left"]) == (NOW, 1, 0, 0)
    assert after["entries"] == [
        {
            "get": "/db/a?token=***",
            "upstream": "db",
            "route": "items",
            "every_s": 300.0,
            "on_start": True,
            "status": 200,
            "at": NOW,
            "failed": False,
            "busy": False,
        }
    ]
    assert "sekrit" not in repr(after)


def test_with_nothing_to_warm_it_says_so() -> None:
    program = SmallProgram(config_of("upstreams: {db: {url: http://h}}"))
    assert program.warming.begin()
    assert progress(program.warming)["entries"] == []
