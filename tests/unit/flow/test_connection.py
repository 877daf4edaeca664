"""Connections: pooling by URL, TLS that is checked, and errors that name the place only."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import UpstreamConnectError
from proxy.flow.connection import Connector, Lease
from proxy.flow.limits import Limits
from proxy.rules.settings import Timeouts
from tests.support.ports import LOOPBACK, free_port
from tests.support.raw_upstream import RawConnection, raw_upstream


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    made = Connector()
    yield made
    await made.close()


async def acquire(connector: Connector, url: str, *, careful: bool = False) -> Lease:
    limits = Limits.start(Timeouts())
    return await connector.acquire(connector.endpoint(url), limits, careful=careful)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=larder", "-addext", f"subjectAltName=IP:{LOOPBACK}",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.mark.parametrize(
    ("url", "authority", "base", "peer"),
    [
        ("http://api.test", "api.test", "", "api.test:80"),
        ("https://api.test/", "api.test", "", "api.test:443"),
        ("https://api.test:8443/v1/a%2Fb", "api.test:8443", "/v1/a%2Fb", "api.test:8443"),
        ("http://[::1]:8080/x/", "[::1]:8080", "/x", "[::1]:8080"),
        ("http://user:secret@api.test", "api.test", "", "api.test:80"),
    ],
)
async def test_a_url_made_ready(
    connector: Connector, url: str, authority: str, base: str, peer: str
) -> None:
    endpoint = connector.endpoint(url)
    assert (endpoint.authority, endpoint.base, endpoint.peer) == (authority, base, peer)


async def test_one_host_and_port_is_one_pool_whatever_the_path(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(script) as upstream:
        first = await acquire(connector, upstream.url + "/a")
        first.wire.begin(has_answer_body=True)
        first.release()
        second = await acquire(connector, upstream.url + "/b", careful=True)
        assert second.wire is first.wire
        second.close()
    assert upstream.accepted == 1


async def test_nobody_listening_is_told_with_host_and_port(connector: Connector) -> None:
    port = free_port()
    with pytest.raises(UpstreamConnectError) as told:
        await acquire(connector, f"http://user:secret@{LOOPBACK}:{port}/secret")
    assert str(told.value) == f"{LOOPBACK}:{port}: cannot connect (Connection refused)"
    assert told.value.__suppress_context__


async def test_a_name_that_does_not_resolve_is_told(connector: Connector) -> None:
    class Failing:
        async def resolve(self, *_: object, **__: object) -> list[object]:
            raise OSError(None, "DNS lookup failed")

    connector._resolver, own = Failing(), connector._resolver  # type: ignore[assignment] # noqa: SLF001
    with pytest.raises(UpstreamConnectError, match=r"nowhere.test:80: its name cannot be resolved"):
        await acquire(connector, "http://nowhere.test")
    connector._resolver = own  # noqa: SLF001


async def test_a_closed_connector_connects_nobody(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(script) as upstream:
        await connector.close()
        with pytest.raises(UpstreamConnectError):
            await acquire(connector, upstream.url)


@pytest.mark.exempt_from_blockbuster("certificates are read from disk")
async def test_tls_with_a_trusted_certificate(certificate: tuple[Path, Path]) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(connection: RawConnection) -> None:
        got.set_result(await connection.take(4))

    connector = Connector(tls=ssl.create_default_context(cafile=certificate[0]))
    async with raw_upstream(script, tls=server_tls(certificate)) as upstream:
        lease = await acquire(connector, upstream.url)
        lease.wire.begin(has_answer_body=True)
        lease.wire.write(b"ping")
        assert await got == b"ping"
        lease.close()
    await connector.close()


@pytest.mark.exempt_from_blockbuster("certificates are read from disk")
async def test_a_certificate_nobody_vouches_for_is_refused(
    connector: Connector, certificate: tuple[Path, Path]
) -> None:
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), LOOPBACK, 0, ssl=server_tls(certificate)
    )
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UpstreamConnectError, match=r"its certificate is not accepted \(self"):
        await acquire(connector, f"https://{LOOPBACK}:{port}")
    server.close()
    await server.wait_closed()


async def test_tls_to_a_plain_port_is_told(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.take(1)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await connection.rest()

    async with raw_upstream(script) as upstream:
        url = upstream.url.replace("http:", "https:")
        with pytest.raises(UpstreamConnectError, match="TLS failed"):
            await acquire(connector, url)


async def test_the_connection_that_was_used_last_is_used_first(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(script, script) as upstream:
        endpoint = connector.endpoint(upstream.url)
        leases = [await acquire(connector, upstream.url) for _ in range(2)]
        for lease in leases:
            lease.wire.begin(has_answer_body=False)
            lease.release()
        assert len(endpoint.pool) == 2
        assert endpoint.pool.take(careful=True) is leases[1]
        leases[1].close()
        assert endpoint.pool.take(careful=True) is leases[0]
        assert endpoint.pool.take(careful=True) is None
        leases[0].close()


async def test_what_is_no_longer_fit_is_swept_and_a_closed_pool_keeps_nothing(
    connector: Connector,
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(script, script, script) as upstream:
        pool = connector.endpoint(upstream.url).pool
        spoiled, sound, late = [await acquire(connector, upstream.url) for _ in range(3)]
        for lease in (spoiled, sound):
            lease.release()
        spoiled.wire.force_close()
        pool.sweep()
        kept, connected = len(pool), (spoiled.wire.is_connected(), sound.wire.is_connected())
        await connector.close()
        late.release()
        assert (kept, connected, len(pool)) == (1, (False, True), 0)
        assert not late.wire.is_connected()


@pytest.mark.parametrize(("keep_s", "kept"), [(None, True), (60.0, True), (0.0, False)])
async def test_a_lease_is_given_back_for_as_long_as_its_upstream_keeps_it(
    connector: Connector, keep_s: float | None, kept: bool
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(script) as upstream:
        pool = connector.endpoint(upstream.url).pool
        lease = await acquire(connector, upstream.url)
        lease.wire.begin(has_answer_body=False)
        lease.release(keep_s)
        assert (pool.take(careful=False) is lease) == kept
        assert lease.wire.is_connected() == kept
        lease.close()
