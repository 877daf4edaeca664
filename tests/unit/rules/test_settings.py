"""Settings: what they print, and what they leave out."""

from __future__ import annotations

import pytest

from proxy.fields import Fields
from proxy.rules.settings import Address, HeaderEdits, StoreSettings, Upstream


@pytest.mark.parametrize(
    ("address", "text"), [(Address("::1", 80), "[::1]:80"), (Address("h", 1), "h:1")]
)
def test_addresses(address: Address, text: str) -> None:
    assert str(address) == text


def test_header_edits_replace_every_line_of_a_name() -> None:
    fields = Fields([("X", "1"), ("x", "2"), ("Y", "1"), ("z", "1")])
    assert HeaderEdits((("x", "3"),), ("y",)).apply(fields).items == (("z", "1"), ("x", "3"))
    assert HeaderEdits().apply(fields) is fields


def test_no_secret_is_in_a_repr() -> None:
    values = (
        StoreSettings(shared="redis://:s3cret@h"),
        HeaderEdits((("authorization", "s3cret"),)),
        Upstream(name="a", urls=("http://s3cret",)),
    )
    assert "s3cret" not in repr(values)


@pytest.mark.parametrize(
    ("shared", "kind"), [("none", "none"), ("sqlite:a:b", "sqlite"), ("rediss://h", "rediss")]
)
def test_the_kind_of_a_shared_store(shared: str, kind: str) -> None:
    assert StoreSettings(shared=shared).shared_kind == kind


def test_the_fields_that_hold_credentials() -> None:
    upstream = Upstream(
        name="a", urls=(), credentials=("header.x", "cookie.a", "cookie.b", "query.k")
    )
    assert upstream.credential_fields == ("x", "cookie")
