"""Conditions on our own tags in the upstream's terms; by real requests in behaviour/test_etags."""

from __future__ import annotations

import pytest

from proxy.caching.etags import content_tag
from proxy.messages import StoredResponse
from proxy.translating import _translate
from tests.support.build import as_fields, stored

OURS = content_tag(b"stored")


def kept(theirs: str = '"theirs"', ours: str = OURS) -> StoredResponse:
    return stored(fields={"ETag": ours}, validators=(("etag", theirs),))


CASES: list[tuple[StoredResponse | None, dict[str, str], dict[str, str] | None]] = [
    (kept(), {"If-Match": OURS}, {"If-Match": '"theirs"'}),
    (kept(), {"If-Match": f"W/{OURS}"}, {"If-Match": 'W/"theirs"'}),
    (kept(), {"If-Match": f'"a", {OURS}'}, {"If-Match": '"a", "theirs"'}),
    (kept(), {"If-Match": "*"}, {"If-Match": "*"}),
    (kept('W/"theirs"'), {"If-Match": OURS}, {"If-Match": 'W/"theirs"'}),
    (kept(ours='W/"7"'), {"If-Match": 'W/"7"'}, {"If-Match": 'W/"theirs"'}),
    (kept(""), {"If-Match": OURS}, None),
    (kept(), {"If-Match": content_tag(b"older")}, None),
    (None, {"If-Match": OURS}, None),
    (None, {"If-Match": '"theirs"'}, {"If-Match": '"theirs"'}),
    (kept(), {"If-None-Match": OURS}, {"If-None-Match": '"theirs"'}),
    (kept(""), {"If-None-Match": OURS}, {}),
    (kept(), {"If-Range": OURS, "Range": "bytes=0-1"}, {}),
    (kept(), {"Range": "bytes=0-1"}, {"Range": "bytes=0-1"}),
    (stored(fields={"ETag": '"a"'}), {"If-Match": '"a"'}, {"If-Match": '"a"'}),
]


@pytest.mark.parametrize(("entry", "asked", "sent"), CASES)
def test_what_the_upstream_is_asked(
    entry: StoredResponse | None, asked: dict[str, str], sent: dict[str, str] | None
) -> None:
    found = _translate(as_fields(asked), entry)
    assert (None if found is None else dict(found)) == sent
