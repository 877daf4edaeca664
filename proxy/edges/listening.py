"""Addresses and certificates that the program listens with, and what is said when they are wrong.

Knows settings and sockets' errors; no server. Invariant: every error names the setting and
the way out.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from proxy.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.rules.settings import Address, Tls


@contextmanager
def bind_errors(name: str, address: Address) -> Iterator[None]:
    """Say what to do about an address that cannot be listened on."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {address} ({name}): {error.strerror or error}; "
            f"choose another with --{name} HOST:PORT"
        ) from error


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """The TLS of the proxy's clients; SettingsError if its files cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"server.tls: cannot use {tls.cert} with {tls.key}: {error}; both must be PEM files "
            "that belong together"
        ) from error
    return context


def url_of(scheme: str, host: str, port: int) -> str:
    """Where it can be reached from this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - a name to show, nothing is bound
    return f"{scheme}://{shown}:{port}"
