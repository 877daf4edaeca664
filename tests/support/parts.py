"""Parts of one answer, for tests of what becomes of them: an origin that knows ranges."""

from __future__ import annotations

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines, as_fields
from tests.support.origin import Received

BODY = b"0123456789"
ETAG = '"v1"'
FIELDS = {"Cache-Control": "max-age=60", "ETag": ETAG, "Content-Type": "text/plain"}


def part(first: int, last: int, fields: FieldLines = FIELDS, whole: bytes = BODY) -> Answer:
    """The 206 with these bytes."""
    described = [*as_fields(fields), ("Content-Range", f"bytes {first}-{last}/{len(whole)}")]
    return answer(whole[first : last + 1], 206, fields=described)


def speaks_ranges(request: Received) -> Answer:
    """What an origin says that knows ranges of the form FIRST-LAST."""
    asked = request.fields.get("range")
    if asked is None:
        return answer(BODY, fields=FIELDS)
    first, last = asked.removeprefix("bytes=").split("-")
    return part(int(first), int(last))


def asks(text: str, **more: str) -> dict[str, str]:
    """The fields of a request for this range; underscores in names are hyphens."""
    return {"Range": f"bytes={text}", **{k.replace("_", "-"): v for k, v in more.items()}}
