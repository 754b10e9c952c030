"""Fixed date for chat templates that insert the current one."""

import datetime
from functools import lru_cache
from itertools import product

# Python's names of months and days depend on the locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Padding of a number, upper case, other case: the flags of `strftime`, of which the last padding counts.
_PADS, _UPPER, _SWAPPED = ("", "-", "_", "0"), ("", "^"), ("", "#")
# Codes that may follow the modifiers E and O, which have no effect in English.
_MODIFIED = {"": "", "E": "cnprstuxyzCPRTXYZ", "O": "bdeghjklmnprstuwyzBCGHIMPRSTUVWZ"}
# Variable with the `date_codes` while a template is rendered.
CODES = "kospan_date_codes"
# Beginning of the error about an unknown code.
UNKNOWN = "expected codes of strftime in the chat template's date format"
_REFUSED = (
    f"""{{{{- raise_exception("{UNKNOWN}, got " ~ found.code ~ " in '" ~ format ~ "'; correct the template") -}}}}"""
)
# Put before a template, it replaces transformers' function of this name. Variables are plain data in version
# 5, so it is not a Python function. It reads the format once, letter by letter; `code` is what is read of the current
# code. Its last line end, which is not printed (`trim_blocks`), keeps the template at the beginning of a line.
_MACRO = (
    """
{%- macro strftime_now(format) -%}
{%- set found = namespace(text="", code="", pad="", upper="", swapped="", modifier="") -%}
{%- for letter in format -%}
{%- if not found.code -%}
    {%- if letter == "%" -%}
        {%- set found.code = letter -%}
        {%- set found.pad = "" -%}{%- set found.upper = "" -%}{%- set found.swapped = "" -%}
        {%- set found.modifier = "" -%}
    {%- else -%}{%- set found.text = found.text ~ letter -%}{%- endif -%}
{%- else -%}
    {%- set found.code = found.code ~ letter -%}
    {%- if found.modifier == "" and letter in "-_0" -%}{%- set found.pad = letter -%}
    {%- elif found.modifier == "" and letter == "^" -%}{%- set found.upper = letter -%}
    {%- elif found.modifier == "" and letter == "#" -%}{%- set found.swapped = letter -%}
    {%- elif found.modifier == "" and letter in "EO" -%}{%- set found.modifier = letter -%}
    {%- else -%}
        {%- set key = "%" ~ found.pad ~ found.upper ~ found.swapped ~ found.modifier ~ letter -%}
        {%- if key not in CODES -%}REFUSED{%- endif -%}
        {%- set found.text = found.text ~ CODES[key] -%}{%- set found.code = "" -%}
    {%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if found.code not in ("", "%") -%}REFUSED{%- endif -%}
{{- found.text ~ found.code -}}
{%- endmacro %}
""".lstrip()
    .replace("REFUSED", _REFUSED)
    .replace("CODES", CODES)
)


def with_fixed_date(template: str) -> str:
    """Return a chat template whose `strftime_now` takes the date from the variable `CODES`."""
    return _MACRO + template


@lru_cache(maxsize=8)
def date_codes(date: str) -> dict[str, str]:
    """Return the value of each code of `strftime` at midnight of a date, as on Linux, in English and in UTC.

    The keys have their flags in the order of `-`, `_` or `0` (padding), `^` (upper case) and `#` (other case).

    Args:
        date: Such as 2026-01-31.

    >>> codes = date_codes("2025-02-03")
    >>> codes["%d"], codes["%-d"], codes["%_d"], codes["%b"], codes["%^A"], codes["%F"]
    ('03', '3', ' 3', 'Feb', 'MONDAY', '2025-02-03')
    """
    day = datetime.date.fromisoformat(date)
    month, name = _MONTHS[day.month - 1], _DAYS[day.weekday()]
    year, week_year = day.year, day.isocalendar()[0]
    texts = {"B": month, "b": month[:3], "h": month[:3], "A": name, "a": name[:3], "p": "AM", "P": "am"}
    texts |= {"F": date, "D": f"{day:%m/%d/%y}", "T": "00:00:00", "R": "00:00", "r": "12:00:00 AM"}
    texts |= {"c": f"{name[:3]} {month[:3]} {day.day:2} 00:00:00 {year}", "x": texts["D"], "X": texts["T"]}
    texts |= {"Z": "", "z": "", "n": "\n", "t": "\t", "%": "%"}
    texts["s"] = str((day - datetime.date(1970, 1, 1)).days * 86_400)
    # Number, width and padding.
    numbers = {letter: (int(day.strftime(f"%{letter}")), 2, "0") for letter in "dmyUWV"}
    numbers |= {"H": (0, 2, "0"), "I": (12, 2, "0"), "M": (0, 2, "0"), "S": (0, 2, "0")}
    numbers |= {"e": (day.day, 2, " "), "k": (0, 2, " "), "l": (12, 2, " "), "j": (day.timetuple().tm_yday, 3, "0")}
    numbers |= {"C": (year // 100, 2, "0"), "g": (week_year % 100, 2, "0"), "Y": (year, 4, "0")}
    numbers |= {"G": (week_year, 4, "0"), "u": (day.isoweekday(), 1, "0"), "w": (day.isoweekday() % 7, 1, "0")}
    found = {"%f": "000000"}
    for pad, upper, swapped, (modifier, modified) in product(_PADS, _UPPER, _SWAPPED, _MODIFIED.items()):
        flags = pad + upper + swapped + modifier
        for letter, (number, width, usual) in numbers.items():
            if not modifier or letter in modified:
                fill = usual if pad == "" else pad.replace("_", " ")
                found[f"%{flags}{letter}"] = str(number) if pad == "-" else str(number).rjust(width, fill)
        for letter, text in texts.items():
            if not modifier or letter in modified:
                found[f"%{flags}{letter}"] = _cased(letter, text, upper, swapped)
    return found


def _cased(letter: str, text: str, upper: str, swapped: str) -> str:
    """The text of a code with its flags for case."""
    if letter == "p" and swapped:
        return text.lower()
    if letter != "P" and (upper or (swapped and letter in "aAbBh")):
        return text.upper()
    return text
