"""A readable colour for each label, the same in every run and for every text."""

import colorsys
from typing import NamedTuple

# Hues in degrees, far apart, for the six types of KLUE-NER.
HUES = {"PS": 217, "LC": 146, "OG": 272, "DT": 38, "TI": 335, "QT": 186}
# Multiples of the golden angle never coincide: each next hue falls into the largest gap.
GOLDEN_ANGLE = 137.508
FIRST_HUE = 12.0
TEXT = "#1c2230"
LEAST_CONTRAST = 4.5


class Color(NamedTuple):
    """The two shades of a label, as CSS colours.

    Args:
        tint: Light, behind the text of a span.
        ink: Dark, behind the white name of the label, and for lines.
    """

    tint: str
    ink: str


def colours_of(labels: list[str]) -> dict[str, Color]:
    """Return the colour of each label, which depends on the set of labels but not on their order.

    >>> colours_of(["PS", "LC"])["PS"] == colours_of(["OG", "PS"])["PS"]
    True
    """
    others = sorted(set(labels) - set(HUES))
    found = {label: colour(HUES[label]) for label in labels if label in HUES}
    for at, label in enumerate(others):
        # In a long list hues get close; three alternating depths keep neighbours on the wheel apart.
        found[label] = colour((FIRST_HUE + at * GOLDEN_ANGLE) % 360, depth=at % 3)
    return found


def colour(hue: float, depth: int = 0) -> Color:
    """Return the shades of a hue in degrees; `depth` 0, 1 or 2 makes both a little stronger."""
    tint = _hex(hue, (0.90, 0.84, 0.93)[depth], 0.85)
    lightness = (0.44, 0.36, 0.40)[depth]
    while contrast(_hex(hue, lightness, 0.62), "#ffffff") < LEAST_CONTRAST + 0.3:
        lightness -= 0.01
    return Color(tint, _hex(hue, lightness, 0.62))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2).

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _hex(hue: float, lightness: float, saturation: float) -> str:
    channels = colorsys.hls_to_rgb(hue / 360, lightness, saturation)
    return "#" + "".join(f"{round(255 * value):02x}" for value in channels)
