from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from proxy.errors import SettingsError, StoreError
from proxy.flow.tasks import spawn
from proxy.store.base import JournalLostError, StoreTimeoutError
from proxy.store.redis_line import RefusedError
from proxy.store.redis_link import Link, check_version, describe, parse_info, translated
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.unit.store.real_redis import joined

NAMES = [
    ("redis://h", "redis://h:6379"),
    ("redis://u:p@h:1/2?socket_keepalive=yes", "redis://h:1/2"),
    ("rediss://:p@[::1]:7/0", "rediss://::1:7/0"),
]


@pytest.mark.parametrize(("url", "name"), NAMES)
def test_a_name_has_no_secret(url: str, name: str) -> None:
    assert describe(url) == name


@pytest.mark.parametrize(
    "url", ["redis://secret@h:port", "http://secret@h", "redis://secret@h:1/?max_connections=no"]
)
def test_a_wrong_url_is_told_without_its_secret(url: str) -> None:
    with pytest.raises(SettingsError, match="Redis URL") as caught:
        describe(url)
    assert "secret" not in str(caught.value)


VERSIONS = [("6.2.14", False), ("7.0.0", True), ("10.1", True), ("", False), ("x", False)]


@pytest.mark.parametrize(("version", "fits"), VERSIONS)
def test_versions(version: str, fits: bool) -> None:
    info = parse_info(f"# Server\r\nredis_version:{version}\r\nx:\r\n".encode())
    if fits:
        check_version(info)
    else:
        with pytest.raises(StoreError, match="too old"):
            check_version(info)


async def test_nobody_there_is_told_at_once() -> None:
    link = Link(f"redis://127.0.0.1:{free_port()}/0")
    for asking in (link.ask((b"GET", b"a")), link.tell((b"DEL", b"a"))):
        with pytest.raises(StoreError, match="cannot be reached"):
            await asking
    await link.close()


async def test_a_stalled_server_costs_the_deadline(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, _):
        link = Link(server.url, deadline_s=0.05)
        await link.ask((b"PING",))
        server.pause()
        with pytest.raises(StoreTimeoutError, match="50 ms"):
            await link.ask((b"GET", b"a"))
        with pytest.raises(StoreTimeoutError, match="50 ms"):
            await link.ask((b"GET", b"a"))
        server.resume()
        await link.close()


async def test_a_look_up_given_up_leaves_no_answer_to_the_next(tmp_path: Path) -> None:
    """They share a line: the next would read the answer to the one before."""
    async with joined(tmp_path) as (server, _):
        link = Link(server.url, deadline_s=5.0)
        await link.ask((b"SET", b"a", b"1"), (b"SET", b"b", b"2"))
        server.pause()

        async def look_up() -> None:
            await link.ask((b"GET", b"a"))

        asked = [spawn(look_up(), "test-look-up") for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked[0].cancel()
        asked[1].cancel()
        await asyncio.wait(asked)
        server.resume()
        assert await link.ask((b"GET", b"b"), (b"GET", b"a")) == [b"2", b"1"]
        await link.close()


async def test_a_refusal_among_several_leaves_the_connection_in_order(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, _):
        link = Link(server.url, connections=1)
        await link.ask((b"SET", b"a", b"1"))
        with pytest.raises(RefusedError, match="WRONGTYPE"):
            await link.ask((b"LPOP", b"a"), (b"GET", b"a"), (b"LPOP", b"a"))
        assert await link.ask((b"GET", b"a")) == [b"1"]
        await link.close()


async def test_a_connection_to_another_run_is_refused(tmp_path: Path) -> None:
    with closing(RedisServer(tmp_path / "redis")) as server:
        await server.start()
        link = Link(server.url)
        async with link.fresh() as client:
            await link.joined(parse_info(await client.execute_command("INFO"))["run_id"])
        assert await link.ask((b"GET", b"a")) == [None]
        server.kill()
        await server.start()
        with pytest.raises(JournalLostError, match="restarted"):
            await link.ask((b"GET", b"a"))
        with pytest.raises(JournalLostError, match="restarted"):
            async with translated(1.0):
                await link.mend()
        await link.close()


async def test_lines_to_the_run_before_are_not_asked_any_more(tmp_path: Path) -> None:
    """1. A line is made.  2. Another run is joined.  3. What waits at the old line fails."""
    async with joined(tmp_path) as (server, _):
        link = Link(server.url, deadline_s=5.0)
        await link.ask((b"SET", b"a", b"1"))
        asked = link.ask((b"GET", b"a"))
        with pytest.raises(JournalLostError, match="restarted"):
            async with translated(5.0):
                await link.joined("another")
        with pytest.raises(StoreError, match="closed"):
            await asked
        with pytest.raises(JournalLostError, match="restarted"):
            await link.ask((b"GET", b"a"))
        await link.close()
