"""Labels of the rules, their groups, and the notice of every output."""

from typing import NamedTuple

NOTICE = "가명처리를 돕는 도구이며 익명처리를 보장하지 않습니다."
# Name of a text's notice in records, tables and document properties.
NOTICE_KEY = "masking_notice"


class RuleLabel(NamedTuple):
    """A label that the rules find.

    Args:
        korean: Its name in Korean.
        presidio: The entity of presidio-analyzer with the same meaning; empty if there is none.
        keep_first: Letters and digits at the start that a partial mask shows.
        keep_last: Those at the end.
    """

    korean: str
    presidio: str
    keep_first: int
    keep_last: int


RULE_LABELS = {
    "RRN": RuleLabel("주민등록번호", "KR_RRN", 6, 0),
    "FRN": RuleLabel("외국인등록번호", "KR_FRN", 6, 0),
    "BRN": RuleLabel("사업자등록번호", "KR_BRN", 3, 0),
    "PASSPORT": RuleLabel("여권번호", "KR_PASSPORT", 1, 0),
    "DRIVER_LICENSE": RuleLabel("운전면허번호", "KR_DRIVER_LICENSE", 2, 0),
    "PHONE": RuleLabel("전화번호", "PHONE_NUMBER", 3, 4),
    "EMAIL": RuleLabel("전자우편", "EMAIL_ADDRESS", 2, 0),
    "CARD": RuleLabel("카드번호", "CREDIT_CARD", 6, 4),
    "ACCOUNT": RuleLabel("계좌번호", "", 3, 0),
    "ADDRESS": RuleLabel("주소", "", 0, 0),
}
# A policy may name a group instead of each of its labels.
GROUPS = {"ID": ("RRN", "FRN", "BRN", "PASSPORT", "DRIVER_LICENSE")}
GROUP_OF = {label: group for group, labels in GROUPS.items() for label in labels}
# Texts in the source that have the form of an alias are masked too, so that aliases stay reversible.
LITERAL = "LITERAL"
