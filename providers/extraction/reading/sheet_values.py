"""What the number in a cell stands for. Source: ECMA-376, part 1, 18.8.30 (formats) and 18.17.4 (dates)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})
"""The numbers of the formats for dates and times that every workbook has without saying so."""

NOT_A_FIELD = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
DATE_FIELD = re.compile(r"[ymdhs]", re.IGNORECASE)
EPOCH_1900 = datetime(1899, 12, 30, tzinfo=UTC)
EPOCH_1904 = datetime(1904, 1, 1, tzinfo=UTC)


class Formats:
    """The styles of cells (`xl/styles.xml`), of which only one thing matters: whether they show a date."""

    def __init__(self) -> None:
        self._dates: list[bool] = []
        self._codes: dict[str, str] = {}
        self._in_cells = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._dates.append(self._shows_date(attributes.get("numFmtId", "0")))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def text(self, text: str) -> None: ...

    def is_date(self, style: str) -> bool:
        return style.isdecimal() and int(style) < len(self._dates) and self._dates[int(style)]

    def _shows_date(self, format_id: str) -> bool:
        code = self._codes.get(format_id)
        if code is None:
            return format_id.isdecimal() and int(format_id) in DATE_FORMATS
        return bool(DATE_FIELD.search(NOT_A_FIELD.sub("", code)))


def write_number(value: str) -> str:
    """As short as it was entered: 0.1 and not 0.10000000000000001."""
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def write_date(value: str, epoch: datetime) -> str:
    """In ISO 8601, the day or the time alone where there is no more; the number itself where it is out of range."""
    try:
        moment = epoch + timedelta(seconds=round(float(value) * 86_400))
    except (ValueError, OverflowError):
        return value
    if moment < epoch + timedelta(days=1):
        return moment.strftime("%H:%M:%S")
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(" 00:00:00")
