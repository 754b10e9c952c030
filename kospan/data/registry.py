"""The data sets by name: a new one is a function and a line in `DATASETS`."""

from difflib import get_close_matches
from functools import partial
from importlib.resources import as_file, files

from kospan.data.columns import read_conll, read_conll_documents, read_conll_iob1, read_klue_file
from kospan.data.gmb import read_gmb
from kospan.data.hub import read_hub
from kospan.data.jsonl import jsonl_items
from kospan.data.kmou import read_kmou
from kospan.data.ko_fake_news import read_ko_fake_news
from kospan.data.korean_hate_speech import read_korean_hate_speech
from kospan.data.korquad2 import read_korquad2
from kospan.data.korsts import read_korsts
from kospan.data.labelled import labelled_items
from kospan.data.source import DEFAULTS, FORM_OPTIONS, STRICT, Reader, Reading, ReadOptions, Source
from kospan.data.squad import read_squad
from kospan.data.tydiqa import korean_splits, read_tydiqa

# What stands between two tokens of a set that `datasets` reads, by the prefix of its name.
HUB_PREFIXES = {"hub:": " ", "hub-characters:": ""}
# The options of CSV and TSV files, and of columns of tokens and tags.
_TABLE, _COLUMNS = ("quoting",), ("token_column", "tag_column")


def read_sample(reading: Reading = STRICT) -> Source:
    """The shipped sample."""
    splits = {}
    for split in ("train", "validation"):
        with as_file(files("kospan.data") / "sample" / f"{split}.jsonl") as path:
            splits[split] = list(jsonl_items(path, reading))
    return Source(splits)


def read_from_hub(name: str, file: str, reading: Reading = STRICT) -> Source:
    """A set as the Hub has it.

    Args:
        name: As `read_hub` takes it.
        file: What else can be read, as the error says it.
        reading: As `read_hub` takes it.

    Raises: OSError where the set cannot be fetched.
    """
    try:
        return read_hub(name, "", reading)
    except OSError as error:
        raise OSError(f"{error}; or pass {file} with --train_file") from error


def _questions(hub: str) -> Reader:
    """Questions in the form of SQuAD, from a file or from the Hub."""
    return Reader("character", read_squad, partial(read_from_hub, hub, "the set's own JSON"))


def read_tydiqa_from_hub(reading: Reading = STRICT) -> Source:
    """TyDi QA's gold passages in Korean. Raises: OSError where the set cannot be fetched."""
    name = "google-research-datasets/tydiqa:secondary_task"
    return korean_splits(read_from_hub(name, "the task's own JSON", reading))


def _labelled(hub: str) -> Reader:
    """Labelled texts, from a file with the columns that ours have or from the Hub."""
    read_set = partial(read_from_hub, hub, "a file with text, text_pair and label")
    return Reader("character", labelled_items, read_set, _TABLE)


DATASETS: dict[str, Reader] = {
    "sample": Reader("character", read_set=read_sample),
    "jsonl": Reader("character", jsonl_items),
    "klue_ner": Reader("character", read_klue_file, partial(read_from_hub, "klue:ner", "KLUE's own TSV")),
    "conll": Reader("word", read_conll, options=_COLUMNS),
    "conll_iob1": Reader("word", read_conll_iob1, options=_COLUMNS),
    "conll2003": Reader("word", read_conll_iob1, options=_COLUMNS),
    "conll2003_documents": Reader("word", read_conll_documents, options=_COLUMNS),
    "wnut17": Reader("word", read_conll, options=_COLUMNS),
    "gmb": Reader("word", read_gmb),
    "kmou": Reader("character", read_kmou),
    "korquad": _questions("KorQuAD/squad_kor_v1"),
    # Format-tested only: no file of these was at hand.
    "korquad2": Reader("character", read_korquad2),
    "tydiqa_korean": Reader("character", read_tydiqa, read_tydiqa_from_hub),
    "squad": _questions("rajpurkar/squad"),
    "squad_v2": _questions("rajpurkar/squad_v2"),
    "klue_mrc": _questions("klue/klue:mrc"),
    "labelled": Reader("character", labelled_items, options=_TABLE),
    "korsts": Reader("character", read_korsts, options=_TABLE),
    "korean_hate_speech": Reader("character", read_korean_hate_speech, options=_TABLE),
    "ko_fake_news": Reader("character", read_ko_fake_news, options=_TABLE),
    # Format-tested only: no rows of these were at hand.
    "klue_ynat": _labelled("klue/klue:ynat"),
    "klue_nli": _labelled("klue/klue:nli"),
    "klue_sts": _labelled("klue/klue:sts"),
}


def reader_for(dataset: str) -> Reader:
    """The reader of a data set.

    Args:
        dataset: A name of `DATASETS`; or `hub:NAME`, `hub:NAME:CONFIG` or `hub:PATH` for a set of words that the
            `datasets` library reads, `hub-characters:` in the same way where its tokens are characters.

    Raises: ValueError naming the nearest right name.

    >>> reader_for("conll2003").unit
    'word'
    """
    if dataset in DATASETS:
        return DATASETS[dataset]
    for prefix, joiner in HUB_PREFIXES.items():
        if dataset.startswith(prefix) and dataset != prefix:
            name = dataset.removeprefix(prefix)
            return Reader("word" if joiner else "character", read_set=partial(read_hub, name, joiner), options=_COLUMNS)
    known = [*DATASETS, *(f"{prefix}NAME" for prefix in HUB_PREFIXES)]
    near = get_close_matches(dataset.lower().replace("-", "_"), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
    raise ValueError(f"expected a data set's name ({', '.join(known)}), got {dataset!r}; {hint}")


def check_options(dataset: str, options: ReadOptions) -> None:
    """Raises: ValueError where an option is set that the data set's reader has no use for.

    >>> check_options("conll", ReadOptions(token_column="1"))
    """
    taken = reader_for(dataset).options
    for name in FORM_OPTIONS:
        value = getattr(options, name)
        if value != getattr(DEFAULTS, name) and name not in taken:
            kinds = "columns (conll) and hub:NAME" if name in _COLUMNS else "CSV and TSV files (labelled)"
            raise ValueError(
                f"expected no {name} with the data set {dataset!r}, got {value!r}, which is for {kinds}; leave it out"
            )
