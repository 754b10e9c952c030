"""Masking: policies, alias files and documents; unmasking restores texts that aliases mask."""

from functools import cache

import yaml
from fuzz.cases import Target, checked, folder_of
from fuzz.mutations import encoded, json_text, mutated, mutated_bytes, mutated_text, texts
from fuzz.readers import file_data
from fuzz.seeds import CSV, JSONL, TEXTS, TSV
from hypothesis import strategies as st
from masking_cases import SECTION, docx_entries, write_zip

from kospan.masking.aliases import AliasTable
from kospan.masking.files import mask_file, open_document, unmask_file
from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker
from kospan.masking.policy import read_policy
from kospan.modeling.spans import Span

KEY = b"0123456789abcdef"
POLICY = {
    "default": "keep",
    "PS": "alias",
    "ID": {"action": "partial", "keep_first": 2, "keep_last": 1},
    "PHONE": {"action": "hash", "digits": 12, "name": "전화"},
    "LC": {"action": "replace", "name": "PLACE"},
}
ALIASES = {"version": 1, "aliases": {"[PS_1]": "김민수", "[PS_2]": "이서연", "[LC_1]": "서울"}}
_PARTS = (
    *("010-1234-5678", "010 1234 5678", "900101-1234567", "a.b@example.com", "4111-1111-1111-1111", "김민수", "[PS_1]"),
    *(
        "[PS_1",
        "]",
        "은",
        "는",
        "이",
        "가 ",
        "를",
        "로",
        "으로",
        "와",
        "과 ",
        "계좌 110-123-456789",
        "서울시 중구 세종대로 110",
    ),
    *("０１０－１２３４－５６７８", "\u2060", "M12345678", "123-45-67891", "*", "**"),
)


@st.composite
def personal_texts(draw) -> str:
    """A text with personal data, particles, aliases and unusual characters."""
    parts = st.one_of(st.sampled_from(_PARTS), st.sampled_from(_PARTS), texts(2, surrogates=True))
    return "".join(draw(st.lists(parts, max_size=8)))


@st.composite
def policy_cases(draw) -> dict:
    """A policy as a mapping, a file or a flag."""
    kind = draw(st.sampled_from(("mapping", "file", "flag")))
    if kind == "mapping":
        return {"policy": draw(mutated(POLICY, ("action", "name", "digits", "keep_first", "RRN", "XX")))}
    if kind == "flag":
        return {"policy": draw(mutated_text("PS=alias,RRN=partial,default=keep", ",="))}
    value = draw(mutated(POLICY, ("action", "name", "digits")))
    try:
        text = yaml.dump(value, allow_unicode=True) if draw(st.booleans()) else draw(json_text(value))
    except RecursionError:
        text = "{a: " * 2000
    return {"file": draw(mutated_bytes(encoded(draw(mutated_text(text, ": {},"))))), "text": draw(personal_texts())}


def check_policy(case: dict) -> str:
    """Read a policy, and mask a text with it."""

    def run():
        with folder_of({"p.yaml": case["file"]} if "file" in case else {}) as folder:
            policy = read_policy(str(folder / "p.yaml") if "file" in case else case["policy"])
            masker = Masker(None, policy, key=KEY, rules=["PHONE", "RRN", "EMAIL"])
            text = case.get("text", "김민수 010-1234-5678")
            masked = masker.mask(text)
            assert all(masked.text[span.start : span.end] for span in masked.spans)

    return checked(run)


@st.composite
def alias_cases(draw) -> dict:
    """An alias file, and a text with aliases."""
    content = draw(mutated(ALIASES))
    return {"data": draw(mutated_bytes(encoded(draw(json_text(content, indent=True))))), "text": draw(personal_texts())}


def check_aliases(case: dict) -> str:
    """Read an alias file, continue it, and write it."""

    def run():
        with folder_of({"a.json": case["data"]}) as folder:
            (folder / "a.json").chmod(0o600)
            table = AliasTable.load(folder / "a.json")
            table.unmask(case["text"])
            before = dict(table.surfaces)
            new = table.alias("\u0000 새 이름", "PS")
            assert new not in before, new
            table.save(folder / "b.json")
            assert AliasTable.load(folder / "b.json").surfaces == table.surfaces == {**before, new: "\u0000 새 이름"}

    return checked(run)


@st.composite
def mask_cases(draw) -> dict:
    """Texts, spans of a model, and settings of masking."""
    given = draw(st.lists(personal_texts(), min_size=1, max_size=3))
    spans = []
    for text in given:
        cuts = draw(st.lists(st.integers(0, len(text)), max_size=6))
        pairs = [sorted(pair) for pair in zip(cuts[::2], cuts[1::2]) if pair[0] != pair[1]]
        spans.append([[*pair, draw(st.sampled_from(("PS", "LC", "RRN"))), 0.5] for pair in pairs])
    policy = draw(
        st.sampled_from(("alias", "alias", "replace", "partial", "hash", "PS=alias,RRN=partial,default=keep"))
    )
    return {
        "texts": given,
        "spans": spans,
        "policy": policy,
        "particles": draw(st.booleans()),
        "rules": draw(st.booleans()),
    }


@cache
def _masker(policy: str, rules: bool, particles: bool) -> Masker:
    return Masker(None, policy, key=KEY, rules=rules, particles=particles)


def check_mask(case: dict) -> str:
    """Mask texts; nothing outside of the regions changes but particles, and aliases can be reversed."""

    def run():
        masker = _masker(case["policy"], case["rules"], case["particles"])
        masker.aliases = AliasTable()
        for text, spans in zip(case["texts"], case["spans"]):
            found = masker.find([text])[0][1]
            assert all(0 <= span.start < span.end <= len(text) for span in found), found
            masked = masker.mask_spans(text, [Span(*span) for span in spans], found)
            at = 0
            for edit in masked.edits:
                assert at <= edit.start < edit.end <= edit.stop <= len(text)
                assert masked.text[edit.new_start : edit.new_end]
                at = edit.stop
            covered = {place for edit in masked.edits for place in range(edit.start, edit.end)}
            for start, end, label, _ in spans:
                kept = masker.policy.action(label).action == "keep"
                assert kept or covered >= {at for at in range(start, end) if not text[at].isspace()}, (text, masked)
            if case["policy"] == "alias":
                assert masker.aliases.unmask(masked.text, case["particles"]) == text, (text, masked)

    return checked(run)


@cache
def office() -> dict[str, dict]:
    """Entries of a DOCX and of an HWPX."""
    hwpx = {"mimetype": "application/hwp+zip", "Contents/section0.xml": SECTION, "Preview/PrvText.txt": "010-1234-5678"}
    return {"a.docx": docx_entries(), "a.hwpx": hwpx}


CONTENTS = {"a.txt": [TEXTS], "a.jsonl": [JSONL], "a.csv": [CSV], "a.tsv": [TSV]}


@st.composite
def document_cases(draw) -> dict:
    """A document to mask."""
    name = draw(st.sampled_from((*CONTENTS, *CONTENTS, *office())))
    if name in CONTENTS:
        data = draw(file_data(draw(st.sampled_from(CONTENTS[name]))))
        columns = draw(st.sampled_from((None, None, None, ["text"], ["x"], [])))
        return {"name": name, "data": data, "columns": columns, "quoting": draw(st.sampled_from(("auto", "minimal")))}
    entries = dict(office()[name])
    changed = draw(st.sampled_from(sorted(entries)))
    if draw(st.integers(0, 7)) == 0:
        entries[draw(st.sampled_from(("../x.xml", "/x", changed.upper(), "word/x.xml", "a\\b")))] = entries[changed]
    if draw(st.integers(0, 7)) == 0:
        del entries[changed]
    elif isinstance(entries[changed], str):
        entries[changed] = encoded(draw(mutated_text(entries[changed], '<>"/= ')))
    with folder_of({}) as folder:
        data = write_zip(folder / "a.zip", entries).read_bytes()
    return {"name": name, "data": draw(mutated_bytes(data, whole=3)), "columns": None, "quoting": "auto"}


def check_document(case: dict) -> str:
    """Mask a file, and unmask the result, which restores the texts."""

    def run():
        with folder_of({case["name"]: case["data"]}) as folder:
            path = folder / case["name"]
            document = open_document(path, case["columns"], case["quoting"])
            before = [unit.text for unit in document.units]
            masker = _masker("alias", True, True)
            masker.aliases = AliasTable()
            mask_file(masker, document)
            target = folder / f"masked{path.suffix}"
            document.write(target, NOTICE)
            again = open_document(target, case["columns"], case["quoting"])
            result = unmask_file(masker.aliases, again)
            assert result.texts >= len(before)
            if path.suffix in (".txt", ".jsonl"):
                again.write(folder / f"back{path.suffix}", None)
                back = [unit.text for unit in open_document(folder / f"back{path.suffix}", case["columns"]).units]
                assert back == before, (before, back)

    return checked(run)


TARGETS = {
    "policies": Target(policy_cases(), check_policy, 2),
    "alias_files": Target(alias_cases(), check_aliases, 2),
    "masking": Target(mask_cases(), check_mask, 4),
    "documents": Target(document_cases(), check_document, 3),
}
