"""Fixed date for chat templates that insert the current one."""

import datetime

# Python's names of months and days depend on the locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Variable with the `date_codes` while a template is rendered.
CODES = "kospan_date_codes"
# Put before a template, it replaces transformers' function of this name. Variables are plain data in version
# 5, so it is not a Python function. Its last line end, which is not printed (`trim_blocks`), keeps the template at the
# beginning of a line.
_MACRO = (
    "{%- macro strftime_now(format) -%}{%- set found = namespace(text=format) -%}"
    f"{{%- for code, text in {CODES}.items() -%}}{{%- set found.text = found.text | replace(code, text) -%}}"
    "{%- endfor -%}{{- found.text -}}{%- endmacro %}\n"
)


def with_fixed_date(template: str) -> str:
    """Return a chat template whose `strftime_now` takes the date from the variable `CODES`."""
    return _MACRO + template


def date_codes(date: str) -> dict[str, str]:
    """Return the value of each code of `strftime` at midnight of a date, in English.

    Args:
        date: Such as 2026-01-31.

    >>> codes = date_codes("2025-02-03")
    >>> codes["%d"], codes["%-d"], codes["%b"], codes["%A"], codes["%F"]
    ('03', '3', 'Feb', 'Monday', '2025-02-03')
    """
    day = datetime.date.fromisoformat(date)
    month, name = _MONTHS[day.month - 1], _DAYS[day.weekday()]
    found = {f"%{code}": day.strftime(f"%{code}") for code in "YmdyjwuUWVG"}
    found |= {"%B": month, "%b": month[:3], "%h": month[:3], "%A": name, "%a": name[:3], "%e": f"{day.day:2}"}
    found |= {"%H": "00", "%I": "12", "%M": "00", "%S": "00", "%f": "000000", "%p": "AM", "%Z": "", "%z": ""}
    found |= {"%F": date, "%D": day.strftime("%m/%d/%y"), "%T": "00:00:00", "%R": "00:00"}
    found |= {"%x": found["%D"], "%X": found["%T"]}
    found["%c"] = f"{name[:3]} {month[:3]} {found['%e']} 00:00:00 {found['%Y']}"
    unpadded = {f"%{sign}{code}": str(int(found[f"%{code}"])) for sign in "-#" for code in "dmyjHIMS"}
    return found | unpadded | {"%%": "%"}
