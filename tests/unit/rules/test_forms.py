"""Form bodies: fields in order, files by digest, and what is not well-formed."""

from __future__ import annotations

import hashlib

import pytest

from proxy.rules.forms import MAX_FIELDS, MAX_URLENCODED, is_too_much, parse_form

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
    assert fields[1].value == "sha256:" + hashlib.sha256(b"\r\nx").hexdigest()
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


FILE = f"sha256:{'0' * 64}"
IMITATIONS = [
    (FILE, f"text:{FILE}"),
    (f"text:{FILE}", f"text:text:{FILE}"),
    (f"{FILE}0", f"{FILE}0"),
    ("sha256:x", "sha256:x"),
    ("text:x", "text:x"),
]


@pytest.mark.parametrize(("text", "expected"), IMITATIONS)
def test_no_text_reads_as_a_file_does(text: str, expected: str) -> None:
    urlencoded = parse_form("application/x-www-form-urlencoded", f"n={text}".encode())
    multipart = parse_form(TYPE, body(f"{HEAD}\r\n\r\n{text}"))
    assert [field.value for field in (*(urlencoded or ()), *(multipart or ()))] == [expected] * 2


ODD_ENDS = [("--b c--" + " " * 80, False), ("--b c--" + " " * 60, True), ("--b c--x", False)]


@pytest.mark.parametrize(("end", "is_form"), ODD_ENDS)
def test_what_may_follow_the_last_boundary(end: str, is_form: bool) -> None:
    assert (parse_form(TYPE, body(f"{HEAD}\r\n\r\nv", end=end)) is not None) is is_form


def test_a_part_with_an_endless_head_is_not_well_formed() -> None:
    assert parse_form(TYPE, body(f"{HEAD}\r\nX: {'x' * 20_000}\r\n\r\nv")) is None


URLENCODED = "application/x-www-form-urlencoded"
SIZES = {
    "as many fields as are told apart": (URLENCODED, b"&".join([b"a=1"] * MAX_FIELDS), False),
    "one more": (URLENCODED, b"&".join([b"a=1"] * (MAX_FIELDS + 1)), True),
    "long": (URLENCODED, b"a" * MAX_URLENCODED, False),
    "too long": (URLENCODED, b"a" * (MAX_URLENCODED + 1), True),
    "a long file": (TYPE, body(f"{HEAD}; filename=f\r\n\r\n{'x' * MAX_URLENCODED}"), False),
    "parts": (TYPE, body(*[f"{HEAD}\r\n\r\nv"] * MAX_FIELDS), False),
    "one part more": (TYPE, body(*[f"{HEAD}\r\n\r\nv"] * (MAX_FIELDS + 1)), True),
    "no form": ("text/plain", b"&" * 3 * MAX_FIELDS, False),
}


@pytest.mark.parametrize(("kind", "content", "expected"), SIZES.values(), ids=SIZES)
def test_how_much_of_a_form_is_taken_apart(kind: str, content: bytes, expected: bool) -> None:
    assert is_too_much(kind, content) is expected
