"""The environment: one table, clear errors, no secret in them."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from proxy.edges.logs import LogFormat
from proxy.edges.settings import (
    SETTINGS,
    Settings,
    is_loopback,
    parse_address,
    read_settings,
    require_token,
    unknown_settings,
)
from proxy.errors import SettingsError
from proxy.rules.settings import Address

SECRET = "0123456789abcdef"


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()
    assert read_settings(dict.fromkeys(SETTINGS, "")) == Settings()


def test_every_setting_sets_a_field_of_its_own() -> None:
    settable = [row.field for row in SETTINGS.values() if row.field is not None]
    assert sorted(settable) == sorted(field.name for field in fields(Settings))


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("LARDER_RULES", "/etc/larder.yaml", "rules", Path("/etc/larder.yaml")),
        ("LARDER_LISTEN", "127.0.0.1:80", "listen", Address("127.0.0.1", 80)),
        ("LARDER_ADMIN", "[::1]:8081", "admin", Address("::1", 8081)),
        ("LARDER_ADMIN_TOKEN", SECRET, "admin_token", SECRET),
        ("LARDER_LOG", "JSON", "log", LogFormat.JSON),
        ("LARDER_LOG_LEVEL", "warning", "log_level", logging.WARNING),
        ("LARDER_SECRET", SECRET, "secret", SECRET),
        ("LARDER_DRAIN", "5", "drain_s", 5.0),
        ("LARDER_DRAIN", "1.5m", "drain_s", 90.0),
        ("LARDER_DRAIN", "250ms", "drain_s", 0.25),
        ("LARDER_LANE", "8MiB", "lane_bytes", 8 << 20),
        ("LARDER_LANE", "Off", "lane_bytes", 0),
    ],
)
def test_a_value(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(read_settings({name: text}), field) == value


@pytest.mark.parametrize("text", ["true", "False", "1", "0", "yes", "OFF"])
def test_switches_that_the_rules_read_are_checked_too(text: str) -> None:
    assert read_settings({"CACHE_ENABLED": text, "REDIS_ENABLED": text}) == Settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LARDER_LISTEN", "8080"),
        ("LARDER_LISTEN", "host:"),
        ("LARDER_LISTEN", "host:65536"),
        ("LARDER_LISTEN", "::1:80"),
        ("LARDER_LISTEN", "http://h:80"),
        ("LARDER_LISTEN", "[nonsense]:80"),
        ("LARDER_LOG", "xml"),
        ("LARDER_LOG_LEVEL", "loud"),
        ("LARDER_DRAIN", "-1"),
        ("LARDER_DRAIN", "soon"),
        ("LARDER_LANE", "on"),
        ("LARDER_LANE", "16"),
        ("CACHE_ENABLED", "maybe"),
    ],
)
def test_a_wrong_value_names_variable_forms_and_value(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({name: text})
    message = str(raised.value)
    assert message.startswith(f"{name}: must be ")
    assert SETTINGS[name].forms in message
    assert repr(text) in message


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if row.secret])
def test_a_wrong_secret_is_not_shown(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({name: "hunter2"})
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_every_wrong_variable_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({"LARDER_LOG": "xml", "LARDER_DRAIN": "soon"})
    assert len(str(raised.value).splitlines()) == 2


def test_secrets_are_in_no_repr() -> None:
    settings = read_settings({"LARDER_SECRET": SECRET, "LARDER_ADMIN_TOKEN": SECRET})
    assert SECRET not in repr(settings)


def test_an_unknown_variable_gets_a_suggestion() -> None:
    env = {"LARDER_LISTN": ":80", "LARDER_ZZZ": "1", "LARDER_LOG": "json", "PATH": "/bin"}
    assert unknown_settings(env) == (
        "LARDER_LISTN is not a setting of Larder; did you mean LARDER_LISTEN?",
        "LARDER_ZZZ is not a setting of Larder",
    )


def test_no_host_means_every_interface() -> None:
    assert parse_address(":8080") == Address("0.0.0.0", 8080)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_admin_api_off_loopback_needs_a_token() -> None:
    require_token(Address("127.0.0.1", 8081), "")
    require_token(Address("0.0.0.0", 8081), SECRET)
    with pytest.raises(SettingsError, match=r"0\.0\.0\.0:8081.*LARDER_ADMIN_TOKEN"):
        require_token(Address("0.0.0.0", 8081), "")
