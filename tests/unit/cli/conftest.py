"""The command line for every test here, without the settings of who runs the tests."""

from __future__ import annotations

import pytest

from proxy.edges.settings import SETTINGS
from tests.support.cli import CommandLine


@pytest.fixture
def larder(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return CommandLine(capsys, monkeypatch)
