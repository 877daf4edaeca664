"""HTTP-date: the three forms of RFC 9110 §5.6.7, read and written.

Floor 1, pure: `now` is an argument, needed only for the two-digit year of the
RFC 850 form. Anything but the three forms is no date; the names are matched
without regard to case, as RFC 9111 §4.2 asks of a cache.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_SHORT: Final = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG: Final = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"

_FORMS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        f"{_SHORT}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        f"{_LONG}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        f"{_SHORT} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = len("Wednesday, 01-Jan-70 00:00:00 GMT")
_FAR_YEARS: Final = 50
_DAY_S: Final = 86_400


def parse_http_date(text: str, now: float) -> float | None:
    """Epoch seconds of an HTTP-date; None if it has none of the three forms."""
    return None if len(text) > _LONGEST else _parsed(text, now // _DAY_S * _DAY_S)


@lru_cache(maxsize=512)
def _parsed(text: str, today: float) -> float | None:
    for form in _FORMS:
        if found := form.fullmatch(text):
            return _epoch(found, today)
    return None


def _epoch(found: re.Match[str], now: float) -> float | None:
    month = _MONTHS.index(found["month"].lower()) + 1
    day, hour, minute, second = (int(found[part]) for part in ("day", "hour", "minute", "second"))
    leap = second == 60  # the grammar allows a leap second, datetime does not
    try:
        year = _full_year(found, month, day, now)
        moment = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH).total_seconds() + leap


def _full_year(found: re.Match[str], month: int, day: int, now: float) -> int:
    """Take a two-digit year more than 50 years ahead for the past one (RFC 9110 §5.6.7)."""
    year = int(found["year"])
    if len(found["year"]) > len("yy"):
        return year
    today = _EPOCH + timedelta(seconds=now)
    limit = (today.year + _FAR_YEARS, today.month, today.day)
    year += limit[0] - limit[0] % 100
    return year - 100 if (year, month, day) > limit else year


def format_http_date(epoch: float) -> str:
    """Write an IMF-fixdate, the form to generate; fractions are cut off."""
    return _fixdate(epoch // 1)


@lru_cache(maxsize=8)
def _fixdate(second: float) -> str:
    moment = _EPOCH + timedelta(seconds=second)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1].capitalize()
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"
