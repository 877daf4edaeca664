from __future__ import annotations

import pytest

from proxy.caching.dates import format_http_date, parse_http_date
from tests.support.clock import NOW
from tests.unit.caching.table import table

AUGUST_2050 = 2_544_400_878.0  # Thu, 18 Aug 2050 02:01:18 GMT
NOVEMBER_1994 = 784_111_777.0  # the RFC's own example

DATES = table(
    ("imf-fixdate", "9110 §5.6.7", "Sun, 06 Nov 1994 08:49:37 GMT", NOVEMBER_1994),
    ("rfc850", "9110 §5.6.7", "Sunday, 06-Nov-94 08:49:37 GMT", NOVEMBER_1994),
    ("asctime", "9110 §5.6.7", "Sun Nov  6 08:49:37 1994", NOVEMBER_1994),
    ("asctime-two-digits", "9110 §5.6.7", "Thu Aug 18 02:01:18 2050", AUGUST_2050),
    ("rfc850-in-the-future", "9110 §5.6.7", "Thursday, 18-Aug-50 02:01:18 GMT", AUGUST_2050),
    ("rfc850-49-years-ahead", "9110 §5.6.7", "Wednesday, 15-Jan-76 00:00:00 GMT", 3_346_272_000.0),
    ("rfc850-50-years-ahead", "9110 §5.6.7", "Friday, 15-Jan-77 00:00:00 GMT", 3_377_894_400.0),
    ("rfc850-over-50-years-ahead", "9110 §5.6.7", "Sunday, 16-Jan-77 00:00:00 GMT", 222_220_800.0),
    ("beyond-32-bits", "9110 §5.6.7", "Sun, 21 Nov 2286 04:46:39 GMT", 10_000_039_599.0),
    ("before-the-epoch", "9110 §5.6.7", "Wed, 31 Dec 1969 23:59:59 GMT", -1.0),
    ("wrong-case-weekday", "9111 §4.2", "THU, 18 Aug 2050 02:01:18 GMT", AUGUST_2050),
    ("wrong-case-month", "9111 §4.2", "Thu, 18 AUG 2050 02:01:18 GMT", AUGUST_2050),
    ("wrong-case-zone", "9111 §4.2", "Thu, 18 Aug 2050 02:01:18 gmt", AUGUST_2050),
    ("leap-second", "9110 §5.6.7", "Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800.0),
    ("leap-day", "9110 §5.6.7", "Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800.0),
    ("zone-utc", "9111 §4.2", "Thu, 18 Aug 2050 02:01:18 UTC", None),
    ("zone-offset", "9111 §4.2", "Thu, 18 Aug 2050 02:01:18 +0000", None),
    ("zone-none", "9111 §4.2", "Thu, 18 Aug 2050 02:01:18", None),
    ("one-digit-hour", "9110 §5.6.7", "Thu, 18 Aug 2050 2:01:18 GMT", None),
    ("one-digit-day", "9110 §5.6.7", "Thu, 8 Aug 2050 02:01:18 GMT", None),
    ("two-digit-year", "9110 §5.6.7", "Thu, 18 Aug 50 02:01:18 GMT", None),
    ("no-comma", "9110 §5.6.7", "Thu 18 Aug 2050 02:01:18 GMT", None),
    ("two-spaces", "9110 §5.6.7", "Thu, 18  Aug 2050 02:01:18 GMT", None),
    ("time-with-periods", "9110 §5.6.7", "Thu, 18 Aug 2050 02.01.18 GMT", None),
    ("date-with-dashes", "9110 §5.6.7", "Thu, 18-Aug-2050 02:01:18 GMT", None),
    ("no-weekday", "9110 §5.6.7", "18 Aug 2050 02:01:18 GMT", None),
    ("unknown-weekday", "9110 §5.6.7", "Xxx, 18 Aug 2050 02:01:18 GMT", None),
    ("trailing", "9110 §5.6.7", "Thu, 18 Aug 2050 02:01:18 GMT; x", None),
    ("february-30", "9110 §5.6.7", "Wed, 30 Feb 2050 02:01:18 GMT", None),
    ("hour-24", "9110 §5.6.7", "Thu, 18 Aug 2050 24:01:18 GMT", None),
    ("second-61", "9110 §5.6.7", "Thu, 18 Aug 2050 02:01:61 GMT", None),
    ("year-0", "9110 §5.6.7", "Thu, 18 Aug 0000 02:01:18 GMT", None),
    ("zero", "9111 §5.3", "0", None),
    ("minus-one", "9111 §5.3", "-1", None),
    ("empty", "9111 §5.3", "", None),
    ("iso-8601", "9110 §5.6.7", "2050-08-18T02:01:18Z", None),
    ("superscript-digit", "9110 §5.6.7", "Thu, 1\u00b2 Aug 2050 02:01:18 GMT", None),
    ("very-long", "9110 §5.6.7", "Thu, 18 Aug 2050 02:01:18 GMT" * 1000, None),
)


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_dates_are_read_in_three_forms_and_no_other(text: str, expected: float | None) -> None:
    assert parse_http_date(text, NOW) == expected


WRITTEN = table(
    ("epoch", "9110 §5.6.7", 0.0, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("example", "9110 §5.6.7", NOVEMBER_1994, "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("fraction-is-cut", "9110 §5.6.7", NOVEMBER_1994 + 0.999, "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("now", "9110 §5.6.7", NOW, "Fri, 15 Jan 2027 08:00:00 GMT"),
)


@pytest.mark.parametrize(("epoch", "expected"), WRITTEN)
def test_dates_are_written_as_imf_fixdate(epoch: float, expected: str) -> None:
    assert format_http_date(epoch) == expected


def test_the_century_of_a_two_digit_year_moves_with_now() -> None:
    later = NOW + 60 * 365.25 * 86_400  # 2087
    assert parse_http_date("Thursday, 18-Aug-50 02:01:18 GMT", later) == AUGUST_2050
    in_2110 = parse_http_date("Monday, 18-Aug-10 02:01:18 GMT", later)
    assert format_http_date(in_2110 or 0) == "Mon, 18 Aug 2110 02:01:18 GMT"


def test_the_century_of_a_two_digit_year_changes_at_midnight() -> None:
    text, midnight = "Sunday, 16-Jan-77 00:00:00 GMT", NOW + 16 * 3600
    found = [parse_http_date(text, at) for at in (midnight - 1, midnight, midnight - 1)]
    assert found == [222_220_800.0, 3_377_980_800.0, 222_220_800.0]
