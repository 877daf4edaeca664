"""Google's words: offers that are refused and why, errors, moments."""

from __future__ import annotations

import pytest

from proxy.sim.base import Refused
from proxy.sim.sdm_wire import (
    answer_sdp,
    check_offer,
    google_error,
    offer,
    rate_limited,
    rfc3339,
)

MISSING = "offerSdp value must be set. This is a required field."
ORDER = (
    "Invalid offer SDP: Offer must contain each of audio, video and application m lines"
    " in that order."
)


@pytest.mark.parametrize(
    ("sdp", "text"),
    [
        (None, MISSING),
        ("", MISSING),
        ("v=0", ORDER),
        (offer().replace("m=audio", "m=video", 1), ORDER),
        (offer() + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", ORDER),
    ],
)
def test_an_offer_that_google_refuses(sdp: str | None, text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_offer(sdp)
    assert refused.value.status == 400
    error = refused.value.body["error"]
    assert (error["status"], error["message"]) == ("INVALID_ARGUMENT", text)


def test_offers_differ_by_ufrag_and_answers_always() -> None:
    check_offer(offer())
    assert offer("a") != offer("b")
    assert offer("a") == offer("a")
    assert answer_sdp() != answer_sdp()


def test_errors_have_the_form_of_google_rpc_status() -> None:
    refused = google_error("NOT_FOUND", "gone")
    body = {"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}
    assert (refused.status, refused.body) == (404, body)
    assert rate_limited("ListDevices").status == 429


def test_moments_are_utc_to_the_millisecond() -> None:
    assert rfc3339(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"
