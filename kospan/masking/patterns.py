"""Regular expressions and context words of the rules, for text of `kospan.masking.normalization`."""

from typing import NamedTuple

# Scores of patterns. A hit of at least THRESHOLD is masked. A context word adds CONTEXT_GAIN, as Presidio's enhancer
# does, and up to NEARNESS more if it is directly in front.
SURE, LIKELY, FAIR, WEAK, VERY_WEAK = 0.6, 0.5, 0.4, 0.2, 0.1
THRESHOLD, CONTEXT_GAIN, NEARNESS = 0.4, 0.35, 0.05


class NamedPattern(NamedTuple):
    """A regular expression with its score before validation and context."""

    name: str
    regex: str
    score: float


# Without \b: a Hangul syllable is a word character, so that \b fails before a particle.
_SEPARATOR = r"(?:[ ]?-[ ]?|[ ./])"
_BIRTH = r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
RRN = [
    NamedPattern("RRN", rf"{_BIRTH}{_SEPARATOR}[1-4]\d{{6}}(?!\d)", LIKELY),
    NamedPattern("RRN, digits alone", rf"{_BIRTH}[1-4]\d{{6}}(?!\d)", FAIR),
]
FRN = [
    NamedPattern("FRN", rf"{_BIRTH}{_SEPARATOR}[5-8]\d{{6}}(?!\d)", LIKELY),
    NamedPattern("FRN, digits alone", rf"{_BIRTH}[5-8]\d{{6}}(?!\d)", FAIR),
]
BRN = [
    NamedPattern("BRN", r"(?<![\d-])\d{3}[ ]?-[ ]?\d{2}[ ]?-[ ]?\d{5}(?![\d-])", WEAK),
    NamedPattern("BRN, digits alone", r"(?<![\d-])\d{10}(?![\d-])", VERY_WEAK),
]
PASSPORT = [
    NamedPattern("passport since 2021", r"(?<![A-Za-z0-9])[MSROD]\d{3}[A-Z]\d{4}(?![A-Za-z0-9])", FAIR),
    NamedPattern("passport", r"(?<![A-Za-z0-9])[MSROD]\d{8}(?![A-Za-z0-9])", WEAK),
]
_LICENSE_REGIONS = "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주"
DRIVER_LICENSE = [
    NamedPattern("licence", r"(?<![\d-])\d{2}-\d{2}-\d{6}-\d{2}(?![\d-])", WEAK),
    NamedPattern("licence with a region", rf"(?:{_LICENSE_REGIONS})[ ]?-?[ ]?\d{{2}}-\d{{6}}-\d{{2}}(?![\d-])", SURE),
    NamedPattern("licence, digits alone", r"(?<![\d-])\d{2}[ ]?\d{2}[ ]?\d{6}[ ]?\d{2}(?![\d-])", VERY_WEAK),
]
_ISSUER = r"(?:4\d{3}|5[0-5]\d{2}|2[2-7]\d{2}|[69]\d{3}|35\d{2})"
CARD = [
    NamedPattern(
        "card",
        rf"(?<![\d-])(?:{_ISSUER}(?:(?:-\d{{4}}){{3}}|(?:[ ]\d{{4}}){{3}}|\d{{12}})|"
        r"3[0478]\d{2}(?:-\d{6}-\d{4,5}|[ ]\d{6}[ ]\d{4,5}|\d{10,11}))(?![\d-])",
        0.3,
    )
]
EMAIL = [
    NamedPattern(
        "e-mail",
        r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9][A-Za-z0-9._%+'-]*@(?:[A-Za-z0-9가-힣](?:[A-Za-z0-9가-힣-]*[A-Za-z0-9가-힣])?\.)+"
        r"(?:[A-Za-z]{2,}|한국)(?![A-Za-z0-9])",
        LIKELY,
    )
]
PHONE = [NamedPattern("phone without area code", r"(?<![\d-])\d{3,4}-\d{4}(?![\d-])", VERY_WEAK)]
ACCOUNT = [
    NamedPattern("account", r"(?<![\d-])\d{2,6}(?:-\d{1,8}){2,4}(?![\d-])", WEAK),
    NamedPattern("account, spaces", r"(?<![\d-])\d{2,6}(?:[ ]\d{2,8}){2,3}(?![\d-])", VERY_WEAK),
    NamedPattern("account, digits alone", r"(?<![\d-])\d{10,16}(?![\d-])", VERY_WEAK),
]

_PROVINCE = (
    "(?:서울(?:특별시|시)?|(?:부산|대구|인천|광주|대전|울산)(?:광역시|시)?|세종(?:특별자치시|시)?|경기도?|"
    "(?:강원|제주|전북)(?:특별자치도|도)?|(?:충청?|전라?|경상?)[남북]도?)"
)
_DISTRICT = "[가-힣]{1,5}[시군구]"
_TOWN = "[가-힣]{1,6}[0-9]{0,2}[읍면동리가]"
_BUILDING = r"[가-힣A-Za-z0-9]{1,15}(?:아파트|빌딩|타워|오피스텔|빌라|맨션|하우스|캐슬|자이|APT)"
# A number that counts something is no house number.
_NO_COUNTER = (
    rf"(?!\d|[.,]\d|(?![ ]{_BUILDING})[ ]?(?:시간|시|명|개|년|월|일|원|회|번(?!지|길)|위|차|점|%|km|m\b|kg|세|살|대|곳|"
    r"건|분|초|주|가지|만|억|천|호선|인|척|배|권|마리|팀|골|승|패))"
)
_HOUSE = rf"(?:지하[ ]?)?\d{{1,4}}(?:-\d{{1,4}})?{_NO_COUNTER}(?:번지)?"
_ROAD = rf"[가-힣][가-힣A-Za-z0-9·]{{0,12}}(?:로|길)(?:[ ]?\d{{1,4}}(?:번)?[가-힣]?길)?[ ]?{_HOUSE}"
_LOT = rf"{_TOWN}(?:[ ]{_TOWN})?[ ](?:산[ ]?)?{_HOUSE}"
_FLOOR = r"지하[ ]?\d{0,2}층|제?\d{1,3}층|[A-Za-z]?\d{1,4}(?:-\d{1,4})?호"
_DETAIL = (
    rf"(?:,?[ ]?(?:제?(?:\d{{1,4}}|[A-Z가나다라])동|{_BUILDING}|{_FLOOR}|"
    r"[가-힣A-Za-z0-9]{2,15}(?=[ ](?:제?\d{1,4}[동층호]|[A-Z]동))|"
    r"\([가-힣0-9]{2,12}(?:,[ ]?[가-힣A-Za-z0-9 ]{1,15})?\)))*"
)
_PARTICLE = "(?=(?:으?로|에서?|을|를|이|가|은|는|와|과|의|까지|부터|입니다|이다)?(?![가-힣]))"
_POSTCODE = r"(?:(?<!\d)\(?\d{5}\)?[ ])?"
ADDRESS = [
    NamedPattern(
        "full address",
        rf"{_POSTCODE}(?:{_PROVINCE}[ ])?(?:{_DISTRICT}[ ]){{1,2}}(?:{_TOWN}[ ]){{0,2}}(?:{_ROAD}|{_LOT}){_DETAIL}",
        SURE,
    ),
    NamedPattern(
        "address of a province",
        rf"{_POSTCODE}{_PROVINCE}[ ](?:{_TOWN}[ ]){{0,2}}(?:{_ROAD}|{_LOT}){_DETAIL}",
        SURE,
    ),
    NamedPattern("town of a district", rf"{_PROVINCE}[ ](?:{_DISTRICT}[ ]){{1,2}}{_TOWN}{_PARTICLE}", FAIR),
    NamedPattern("road and number", rf"(?<![가-힣A-Za-z0-9]){_ROAD}{_DETAIL}", WEAK),
    NamedPattern("town and number", rf"(?<![가-힣A-Za-z0-9]){_LOT}{_DETAIL}", VERY_WEAK),
]

_BANKS = "은행 뱅크 농협 신협 수협 우체국 새마을금고 증권 국민 신한 카카오 토스 씨티 sc제일"
# Words before a hit, in lower case and without spaces.
CONTEXT = {
    "RRN": "주민등록번호 주민번호 주민등록 주민 rrn residentregistration 생년월일",
    "FRN": "외국인등록번호 외국인등록 외국인번호 등록외국인 frn foreignerregistration aliennumber",
    "BRN": "사업자등록번호 사업자번호 사업자등록 사업자 공급자 공급받는자 brn businessregistration",
    "PASSPORT": "여권번호 여권 passport",
    "DRIVER_LICENSE": "운전면허번호 운전면허증 운전면허 면허번호 면허증 면허 driver'slicense driverlicense",
    "PHONE": "전화번호 전화 연락처 휴대폰 휴대전화 핸드폰 팩스 fax tel phone mobile 문자 통화 내선 콜센터 대표번호 h.p",
    "EMAIL": "이메일 메일 e-mail email 전자우편",
    "CARD": "카드번호 신용카드 체크카드 카드 card visa master",
    "ACCOUNT": f"계좌번호 계좌 입금 송금 이체 환불 예금주 통장 account {_BANKS}",
    "ADDRESS": "주소 거주 배송 소재 위치 본적 자택 사무실 본사 택배 우편물 보내 address 살고 사는 산다",
}
# Words after a hit.
CONTEXT_AFTER = {
    "ACCOUNT": f"예금주 계좌 입금 송금 이체 {_BANKS}",
    "ADDRESS": "거주 살고 사는 산다 자택 배송 소재",
}
