"""What is said of addresses and certificates that cannot be used."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from proxy.edges.listening import bind_errors, ssl_context, url_of
from proxy.errors import SettingsError
from proxy.rules.settings import Address, Tls


def test_an_address_in_use_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with (
            pytest.raises(SettingsError, match=r"--listen HOST:PORT") as told,
            bind_errors("listen", address),
        ):
            socket.create_server((address.host, address.port))
    assert str(address) in str(told.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_are_none_are_told_by_name(tmp_path: Path, content: str | None) -> None:
    cert = tmp_path / "cert.pem"
    if content is not None:
        cert.write_text(content)
    with pytest.raises(SettingsError, match="both must be PEM files"):
        ssl_context(Tls(str(cert), str(cert)))


PLACES = [
    ("127.0.0.1", "http://127.0.0.1:80"),
    ("0.0.0.0", "http://127.0.0.1:80"),
    ("::", "http://[::1]:80"),
    ("fe80::1", "http://[fe80::1]:80"),
]


@pytest.mark.parametrize(("host", "url"), PLACES)
def test_the_url_is_one_that_works_from_this_machine(host: str, url: str) -> None:
    assert url_of("http", host, 80) == url
