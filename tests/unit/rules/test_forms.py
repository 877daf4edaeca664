"""Form bodies: fields in order, files by digest, and what is not well-formed."""

from __future__ import annotations

import pytest

from proxy.rules.forms import parse_form

TYPE = 'multipart/form-data; charset=utf-8; boundary="b c"'
HEAD = 'Content-Disposition: form-data; name="n"'


def body(*parts: str, end: str = "--b c--\r\n") -> bytes:
    return ("".join(f"--b c\r\n{part}\r\n" for part in parts) + end).encode()


def test_fields_of_an_urlencoded_body() -> None:
    fields = parse_form("application/x-www-form-urlencoded; charset=x", b"a=1+2&b&a=%C3%A9")
    assert [(field.name, field.value) for field in fields or ()] == [
        ("a", "1 2"),
        ("b", ""),
        ("a", "é"),
    ]


def test_fields_of_a_multipart_body() -> None:
    place = 'content-disposition: form-data; filename="é.MP3"; name=f'
    file = f"Content-Type: audio/mpeg\r\n{place}\r\n\r\n\r\nx"
    fields = parse_form(TYPE, body(f"{HEAD}\r\n\r\nvalue", file))
    assert fields is not None
    assert [field.name for field in fields] == ["n", "f"]
    assert fields[0].value == "value"
    assert len(fields[1].value) == 64
    assert b"mp3" in fields[1].raw


MALFORMED = [
    ("text/plain", b"a=1"),
    ("multipart/form-data", body(f"{HEAD}\r\n\r\nv")),
    (TYPE, b""),
    (TYPE, body(f"{HEAD}\r\n\r\nv", end="")),
    (TYPE, b"preamble" + body(f"{HEAD}\r\n\r\nv")),
    (TYPE, body(f"{HEAD}\r\n\r\nv") + b"epilogue"),
    (TYPE, body("no head")),
    (TYPE, body("Content-Disposition: form-data\r\n\r\nv")),
    (TYPE, body(f"{HEAD}\r\n{HEAD}\r\n\r\nv")),
    (TYPE, body(f'{HEAD}; name="m"\r\n\r\nv')),
    (TYPE, body(f"{HEAD}; filename=a; filename*=b\r\n\r\nv")),
    (TYPE, body(f"{HEAD}\r\nContent-Transfer-Encoding: base64\r\n\r\nv")),
    (TYPE, b"--b cx\r\n" + body(f"{HEAD}\r\n\r\nv")),
]


@pytest.mark.parametrize(("content_type", "content"), MALFORMED)
def test_what_is_no_form(content_type: str, content: bytes) -> None:
    assert parse_form(content_type, content) is None
