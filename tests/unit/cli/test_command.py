"""What commands share: tables and numbers for people."""

from __future__ import annotations

import pytest

from proxy.cli.command import plain, print_table, seconds, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (2 * 1024**4, "2.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0s"),
        (0.25, "0.25s"),
        (9.876, "9.88s"),
        (10, "10s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3661, "1h 1m"),
        (90_000, "1d 1h"),
        (-12, "-12s"),
        (-0.5, "-0.5s"),
    ],
)
def test_seconds(count: float, text: str) -> None:
    assert seconds(count) == text


def test_a_table_has_its_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("route", "n"), [("a", "10"), ("long name", "5")])
    assert capsys.readouterr().out.splitlines() == [
        "route       n",
        "a          10",
        "long name   5",
    ]


def test_a_table_without_rows_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("route", "n"), [])
    assert capsys.readouterr().out == "route  n\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET db/ä 1", "GET db/ä 1"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb", r"a\r\nb"),
        ("\x9b1A\u202e", r"\x9b1A\u202e"),
    ],
)
def test_a_terminal_obeys_no_client(text: str, shown: str) -> None:
    assert plain(text) == shown
