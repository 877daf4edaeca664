"""The admin API of a running Larder, called from a command.

The only door to http.client. No redirects, no proxies from the environment: the
token goes to the address given and nowhere else. Invariant: every failure is a
CommandError that says what to do.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from proxy.cli.command import CommandError, Environment, settings_of
from proxy.errors import SettingsError
from proxy.rules.settings import Address

DEFAULT: Final = Address("127.0.0.1", 8081)
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, never listened on
_TIMEOUT_S: Final = 30.0

Json = dict[str, object]


def admin_option(parser: ArgumentParser) -> None:
    """Declare --admin."""
    parser.add_argument(
        "--admin",
        metavar="URL",
        help=f"admin API of the running Larder (LARDER_ADMIN; else http://{DEFAULT})",
    )


class AbsentError(CommandError):
    """There is no such thing: the admin API answered 404."""


class AdminClient:
    """Calls of one admin API."""

    def __init__(self, url: str, token: str = "") -> None:
        """`url` is http[s]://HOST:PORT; SettingsError otherwise."""
        self.url = url
        self._parts = _split(url)
        self._token = token

    def get(self, path: str, query: dict[str, str] | None = None) -> Json:
        """The JSON object that a GET answers."""
        return self._call("GET", path + (f"?{urlencode(query)}" if query else ""), None)

    def post(self, path: str, body: Json) -> Json:
        """The JSON object that a POST of JSON answers."""
        return self._call("POST", path, json.dumps(body).encode())

    def delete(self, path: str) -> Json:
        """The JSON object that a DELETE answers."""
        return self._call("DELETE", path, None)

    def _call(self, method: str, target: str, body: bytes | None) -> Json:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        made = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        connection = made(self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return self._read(response.status, response.read())
        except (OSError, HTTPException) as error:
            raise CommandError(
                f"no Larder answers at {self.url} ({_cause(error)}); "
                "start one with `larder run`, or name its admin API with --admin or LARDER_ADMIN"
            ) from None
        finally:
            connection.close()

    def _read(self, status: int, text: bytes) -> Json:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CommandError(f"{self.url} is not the admin API of a Larder (status {status})")
        if status >= 400:
            kind = AbsentError if status == HTTPStatus.NOT_FOUND else CommandError
            raise kind(str(answer.get("detail", f"{self.url} answered {status}")))
        return answer


def _cause(error: OSError | HTTPException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def admin_client(args: Namespace, env: Environment) -> AdminClient:
    """The client for --admin, or for what the environment says."""
    settings = settings_of(env)
    return AdminClient(args.admin or _url_of(settings.admin or DEFAULT), settings.admin_token)


def _url_of(address: Address) -> str:
    return f"http://{Address(_ANYWHERE.get(address.host, address.host), address.port)}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port is not None:
            return parts
    except ValueError:
        pass
    raise SettingsError(f"--admin: must be http://HOST:PORT or https://HOST:PORT, not {url!r}")
