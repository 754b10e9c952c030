"""Formats of annotation tools: round trips keep every span, and files that are almost valid give named errors."""

import unicodedata
import warnings

from fuzz import seeds
from fuzz.cases import Target, checked, folder_of
from fuzz.mutations import encoded, mutated_bytes, mutated_text, texts
from fuzz.readers import check_example, file_data
from hypothesis import strategies as st

from kospan.data.formats.convert import FORMATS, convert_file
from kospan.data.formats.labelstudio_config import CLASSES, SPANS, read_config
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

FILES = {
    "jsonl": ("a.jsonl", seeds.JSONL),
    "doccano": ("a.jsonl", seeds.DOCCANO),
    "prodigy": ("a.jsonl", seeds.PRODIGY),
}
_UNITS = (None, "characters", "utf16", "graphemes")
_LABELS = ("PS", "장소", "B-1", "a b", "x:y]", "\u1112\u1161\u11ab")


@st.composite
def file_cases(draw) -> dict:
    """A file or folder of an annotation tool, and the format to convert it to."""
    source = draw(st.sampled_from(sorted(FORMATS)))
    if source == "brat":
        files = {name: draw(mutated_text(text, "\t ;:")) for name, text in seeds.BRAT.items()}
        removed = draw(st.sampled_from((None, None, None, *sorted(files))))
        files = {name: draw(mutated_bytes(encoded(text), whole=8)) for name, text in files.items() if name != removed}
    elif source == "label-studio":
        content = draw(st.sampled_from((seeds.LABEL_STUDIO, seeds.LABEL_STUDIO_HTML, seeds.LABEL_STUDIO_MIN)))
        files = {"a.json": draw(file_data({"": content}))}
        files["a.json"] = files["a.json"].strip().removeprefix(b'{"": ').removesuffix(b"}")
    else:
        name, content = FILES[source]
        files = {name: draw(file_data(content))}
    return {
        "files": files,
        "from": source,
        "to": draw(st.sampled_from(sorted(FORMATS))),
        "offsets": draw(st.sampled_from(_UNITS)),
        "skip_invalid": draw(st.integers(0, 3)) == 0,
    }


def check_file(case: dict) -> str:
    """Convert a file; the result can be converted to JSON Lines with the same texts."""

    def run():
        with folder_of(case["files"]) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = list(case["files"])
            source = folder if case["from"] == "brat" else folder / names[0]
            given = case["offsets"] if case["from"] != "jsonl" or case["to"] != "jsonl" else None
            target = folder / "out"
            convert_file(source, target, case["from"], case["to"], given, skip_invalid=case["skip_invalid"])
            offsets = given if case["from"] == "jsonl" else None
            offsets = offsets or FORMATS[case["to"]].unit or None
            convert_file(target, folder / "again.jsonl", case["to"], "jsonl", offsets)
            for example in read_jsonl(folder / "again.jsonl"):
                check_example(example)
            units = FORMATS[case["from"]].units
            given = ((given,) if given else units,) if units else ()
            known = (
                {each.text for each in FORMATS[case["from"]].read(source, *given)} if not case["skip_invalid"] else None
            )
            found = {each.text for each in read_jsonl(folder / "again.jsonl")}
            assert known is None or found == known, (found, known)

    return checked(run)


@st.composite
def examples(draw) -> Example:
    """A valid example with spans that do not overlap."""
    text = draw(texts(8))
    spans = None
    if draw(st.integers(0, 4)):
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        spans = tuple(Span(*pair, draw(st.sampled_from(_LABELS))) for pair in zip(cuts[::2], cuts[1::2]))
    name = draw(st.one_of(st.sampled_from(("a", "b", "con", "x/y", "가", "..", " ", "a.txt")), texts(3)))
    return Example(name or "a", text, spans)


@st.composite
def trip_cases(draw) -> dict:
    """Examples, the formats that they are converted to one after another, and a unit."""
    found = draw(st.lists(examples(), min_size=1, max_size=3, unique_by=lambda each: each.id))
    lines = [{"id": each.id, "text": each.text, "spans": each.spans and [*map(list, each.spans)]} for each in found]
    stops = [name for name in sorted(FORMATS) if name != "jsonl"]
    return {
        "examples": lines,
        "stops": draw(st.lists(st.sampled_from(stops), min_size=1, max_size=3)),
        "unit": draw(st.sampled_from(_UNITS)),
    }


def check_trip(case: dict) -> str:
    """Convert valid examples from format to format and back; texts, spans and labels stay the same."""
    found = [
        Example(
            each["id"], each["text"], None if each["spans"] is None else tuple(Span(*span) for span in each["spans"])
        )
        for each in case["examples"]
    ]

    def run():
        with folder_of({}) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_jsonl(folder / "0", found)
            form, unit = "jsonl", None
            for at, stop in enumerate([*case["stops"], "jsonl"]):
                # Between two tools, --offsets is the unit of the source.
                convert_file(
                    folder / str(at), folder / str(at + 1), form, stop, unit or (case["unit"] if at == 0 else None)
                )
                unit = FORMATS[stop].unit if at else case["unit"] or FORMATS[stop].unit
                form = stop
            back = read_jsonl(folder / str(len(case["stops"]) + 1))
            # A folder has the order of its names.
            again = {each.id: each for each in back}
            for one in found:
                other = again[one.id]
                assert one.text == other.text, (one, other)
                assert one.spans is None or sorted(_bare(one)) == sorted(_bare(other)), (one, other)

    return checked(run)


def _bare(example: Example) -> list[tuple]:
    return [(start, end, unicodedata.normalize("NFC", label)) for start, end, label, _ in example.spans or ()]


_XML = (
    '<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PS" alias="p"/>\n'
    '<Label value="사람" predicted_values="LC, PS"/></Labels>\n'
    '<Choices name="c" toName="t"><Choice value="PS"/></Choices></View>'
)


@st.composite
def interface_cases(draw) -> dict:
    """A labelling interface of Label Studio."""
    return {"xml": draw(mutated_text(_XML, '"<>= /')), "classes": draw(st.booleans())}


def check_interface(case: dict) -> str:
    """Read a labelling interface."""

    def run():
        found = read_config(case["xml"], ["PS", "LC"], CLASSES if case["classes"] else SPANS)
        assert found.tag.written and set(found.tag.written) <= {"PS", "LC"}

    return checked(run)


TARGETS = {
    "converters": Target(file_cases(), check_file, 9),
    "round_trips": Target(trip_cases(), check_trip, 6),
    "labelling_interfaces": Target(interface_cases(), check_interface, 2),
}
