"""The sentences that a card shows: the shipped sample's own, or neutral ones of ours; never another set's text."""

from kospan.data.corpus import read_examples

SENTENCES = {
    "ko": (
        "박서준 연구원은 지난 화요일 오후 2시에 대전에서 강연했다.",
        "한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다.",
    ),
    "en": (
        "Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday.",
        "The museum in Lisbon opened at nine, and Peter Hale saw the first film.",
    ),
}
# Question and text.
QUESTIONS = {
    "ko": (
        (
            "한빛전자는 언제 직원을 새로 뽑았나?",
            "한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다. 대표는 내년에도 사람을 더 뽑겠다고 밝혔다.",
        ),
        (
            "오후 강연은 누가 맡았나?",
            "지난 화요일 대전에서 강연회가 열렸다. 오전에는 김도윤 교수가, 오후에는 박서준 연구원이 강연을 맡았다.",
        ),
    ),
    "en": (
        (
            "Who opened the museum in Lisbon?",
            "The museum in Lisbon was opened by Peter Hale in 1998. Two years later Mary Turner became its director.",
        ),
        (
            "Where did Mary Turner fly on Tuesday?",
            "Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday. She came back by train.",
        ),
    ),
}
# text and text_pair.
PAIRS = {
    "ko": (
        ("박서준 연구원은 지난 화요일 오후 2시에 대전에서 강연했다.", "한 연구원이 대전에서 강연을 했다."),
        ("한빛전자는 3월 5일 부산 공장에 직원 120명을 새로 뽑았다.", "한빛전자는 부산 공장의 문을 닫았다."),
    ),
    "en": (
        ("Mary Turner of Northwind Bank flew from Oslo to Madrid on Tuesday.", "A banker travelled to Spain."),
        ("The museum in Lisbon opened at nine on Sunday.", "The museum stayed closed all weekend."),
    ),
}
COUNT, LONGEST = 2, 40


def sentences(dataset: str, language: str) -> list[str]:
    """Two short texts in a language.

    Args:
        dataset: The data set's name; the sample shows its own validation part.
        language: "ko" or "en".

    >>> [len(text) <= 40 for text in sentences("sample", "ko")]
    [True, True]
    """
    if dataset != "sample":
        return list(SENTENCES[language])
    fitting = [
        example.text
        for example in read_examples("sample", "validation")
        if len(example.text) <= LONGEST and len({span.label for span in example.spans}) >= 3
    ]
    return fitting[:COUNT]
