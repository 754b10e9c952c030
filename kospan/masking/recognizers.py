"""Recognizers of presidio-analyzer, adapted to Korean text; needs the extra `mask`."""

import re
from collections.abc import Iterable

import phonenumbers  # noqa: F401  (presidio-analyzer imports it late; the error for a missing package comes from here)
from presidio_analyzer import Pattern, PatternRecognizer
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    KrBrnRecognizer,
    KrDriverLicenseRecognizer,
    KrFrnRecognizer,
    KrPassportRecognizer,
    KrRrnRecognizer,
    PhoneRecognizer,
)
from tldextract import TLDExtract

from kospan.masking import patterns

_SEPARATORS = [("-", ""), (" ", ""), (".", ""), ("/", "")]
# Numbers of the Korean network start so; libphonenumber also takes the national form without the zero.
_PHONE_START = re.compile(r"\(?(?:\+|0|1[5-8]\d\d)")


class Brn(KrBrnRecognizer):
    """Business registration numbers; the check digit raises the score of those with hyphens and vetoes none."""

    def validate_result(self, pattern_text: str) -> bool | None:
        """Validate the check digit."""
        valid = super().validate_result(pattern_text)
        if "-" not in pattern_text:
            # One of ten numbers of ten digits has a valid check digit by chance: context decides.
            return None if valid else False
        return True if valid else None


class DriverLicense(KrDriverLicenseRecognizer):
    """Driver's licence numbers; a region code raises the score of those with hyphens."""

    def validate_result(self, pattern_text: str) -> bool | None:
        """Validate the region code."""
        if not pattern_text[0].isdigit():
            return None
        valid = super().validate_result(pattern_text)
        if "-" not in pattern_text:
            return None if valid else False
        return True if valid else None


class Email(EmailRecognizer):
    """E-mail addresses; the public suffix list is that of the package, nothing is downloaded."""

    _suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)

    def validate_result(self, pattern_text: str) -> bool | None:
        """Validate the public suffix; an address of an internal domain keeps its score."""
        return True if self._suffixes(pattern_text).fqdn else None


class Phone(PhoneRecognizer):
    """Phone numbers of Korea, and international ones with a plus sign."""

    SCORE = patterns.SURE

    def analyze(self, text: str, entities: list[str], nlp_artifacts=None) -> list:
        """Find phone numbers."""
        found = super().analyze(text, entities, nlp_artifacts)
        for hit in found:
            # A bracket that the number does not close belongs to the text.
            hit.start += text[hit.start : hit.end].startswith("(") and ")" not in text[hit.start : hit.end]
        return [hit for hit in found if _PHONE_START.match(text[hit.start : hit.end])]


class Account(PatternRecognizer):
    """Account numbers, which have no public check digit: 10 to 16 digits, only beside context words."""

    def invalidate_result(self, pattern_text: str) -> bool:
        """Reject other numbers of digits."""
        return not 10 <= sum(character.isdigit() for character in pattern_text) <= 16


def recognizers() -> dict[str, list]:
    """Build the recognizers of each label of `kospan.masking.labels.RULE_LABELS`."""
    return {
        "RRN": [KrRrnRecognizer(_patterns(patterns.RRN), replacement_pairs=_SEPARATORS)],
        "FRN": [KrFrnRecognizer(_patterns(patterns.FRN), replacement_pairs=_SEPARATORS)],
        "BRN": [Brn(_patterns(patterns.BRN), replacement_pairs=_SEPARATORS)],
        "PASSPORT": [KrPassportRecognizer(_patterns(patterns.PASSPORT))],
        "DRIVER_LICENSE": [DriverLicense(_patterns(patterns.DRIVER_LICENSE), replacement_pairs=_SEPARATORS)],
        "PHONE": [Phone(supported_regions=("KR",), supported_language="ko"), _own("PHONE", patterns.PHONE)],
        "EMAIL": [Email(_patterns(patterns.EMAIL), supported_language="ko")],
        "CARD": [
            CreditCardRecognizer(_patterns(patterns.CARD), supported_language="ko", replacement_pairs=_SEPARATORS)
        ],
        "ACCOUNT": [Account("ACCOUNT", patterns=_patterns(patterns.ACCOUNT), supported_language="ko")],
        "ADDRESS": [_own("ADDRESS", patterns.ADDRESS)],
    }


def _patterns(named: Iterable[patterns.NamedPattern]) -> list[Pattern]:
    return [Pattern(*each) for each in named]


def _own(label: str, named: Iterable[patterns.NamedPattern]) -> PatternRecognizer:
    return PatternRecognizer(label, patterns=_patterns(named), supported_language="ko")
