"""Data sets ready for training: checked examples by split, and the labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from kospan.data.records import DEFAULTS, HubSplit, Item, RawDataset, ReadOptions, ReadSession, grouped_pairs
from kospan.data.registry import check_options, dataset_spec
from kospan.data.values import VALUE, holds_values, valued
from kospan.example import Changes, Example, checked

# If a source has no validation split, every 8th item or group becomes validation data.
VALIDATION_EVERY = 8


class SplitIssues(NamedTuple):
    """Skipped, excluded and changed records of a split.

    Args:
        invalid: Records that could not be read, and were skipped on request.
        first: The error of the first of them; empty if there is none.
        left_out: Valid records that cannot be used; see `kospan.data.records.Item`; they count 0 in scores.
        trimmed: Gold spans that began or ended with white space, which was removed.
    """

    invalid: int = 0
    first: str = ""
    left_out: int = 0
    trimmed: int = 0

    def lines(self, part: str) -> list[str]:
        """Messages about the issues, one line each; empty if there are none."""
        found = []
        if self.invalid:
            found.append(f"skipped records     {self.invalid:,} invalid in {part}, the first: {self.first}")
        if self.left_out:
            found.append(f"unusable records    {self.left_out:,} in {part}, which count 0 in scores")
        if self.trimmed:
            found.append(
                f"trimmed spans       {self.trimmed:,} gold spans in {part} began or ended with white space, which "
                "was removed"
            )
        return found


class Origin(NamedTuple):
    """Source of a split's examples, and the share of the source that is used.

    Args:
        hub: The split of the Hub that they were read from; None for files and other sets.
        cut: Whether the training split was cut in two, because the source has no validation split.
        examples: Number of examples before `max_train_samples` or `max_eval_samples` was applied.
        used: Number of examples in use.
        dropped: Gold spans that were dropped under overlaps="longest".
    """

    hub: HubSplit | None
    cut: bool
    examples: int
    used: int
    dropped: int

    @property
    def whole(self) -> bool:
        """Whether the examples are all records of a split on the Hub, with all their labels."""
        return self.hub is not None and self.used == self.hub.records and not self.dropped


@dataclass(frozen=True)
class Corpus:
    """A data set in memory.

    Args:
        labels: The span types, in the source's order where it has one, else sorted.
        splits: Examples by split: "train", "validation", "test" where the source has one, and "calibration" where one
            was requested.
        dropped: Overlapping gold spans that were dropped under overlaps="longest".
        values: Whether labels were read as numbers, see `kospan.data.values`.
        issues: Issues of each split; invalid records count in the split whose file they are in.
        origins: Origins of "train" and "validation". Examples held back for calibration count as used.
    """

    labels: tuple[str, ...]
    splits: dict[str, list[Example]]
    dropped: int
    values: bool = False
    issues: dict[str, SplitIssues] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def trimmed(self) -> int:
        """Number of gold spans that began or ended with white space, which was removed."""
        return sum(issues.trimmed for issues in self.issues.values())

    def remarks(self) -> list[str]:
        """Messages about the issues of all splits, one line each."""
        return [line for split, issues in self.issues.items() for line in issues.lines(f"the {split} part")]


def load_corpus(
    dataset: str,
    train_file: str | None = None,
    validation_file: str | None = None,
    overlaps: str = "error",
    calibration: str | None = None,
    max_train_samples: int | None = None,
    problem_type: str | None = "single_label_classification",
    max_eval_samples: int | None = None,
    options: ReadOptions = DEFAULTS,
    whole_texts: bool = False,
    extra_train_file: str | None = None,
) -> Corpus:
    """Load a data set with its splits, every example checked.

    Args:
        dataset: A name that `dataset_spec` knows.
        train_file: File or folder in the form of `dataset`; None if the set brings its own.
        validation_file: The same for validation; without one, and where the set has no validation split, the items at
            position % 8 == 0 of the training data (from 0) are validation; of questions, the articles there.
        overlaps: "error" refuses overlapping gold spans, "longest" keeps the longest and counts the rest; those of a
            question are alternatives, which may overlap.
        calibration: Source of the "calibration" split: a split that is neither trained on nor reported, a file in the
            form of `dataset`, or a share of the training split that is held back from it, such as "0.1"; None makes no
            such split.
        max_train_samples: Number of training examples to keep, from the beginning; None keeps all. The labels are
            those of all examples.
        problem_type: "single_label_classification": labels are names; "regression": they are numbers; None: see
            `kospan.data.values.holds_values`.
        max_eval_samples: As `max_train_samples`, of the validation split.
        options: Options for reading files.
        whole_texts: Whether spans are labels of whole texts, see `kospan.example.checked`; in some formats they always
            are.
        extra_train_file: JSON Lines whose examples are added to the training split after all of this, such as
            pseudo-labelled texts.

    Raises:
        ValueError: If a split is empty, a record is malformed, an id is not unique in a file, a text is unlabelled, a
            label is not in the training split, or a split holds fewer than are to be kept of it; of several records the
            first, with the number of the others.
        FileNotFoundError: If a file is missing.

    >>> corpus = load_corpus("sample")
    >>> sorted(corpus.splits)
    ['train', 'validation']
    """
    _check_overlaps(overlaps)
    check_options(dataset, options)
    session = ReadSession(options, collect=True)
    source = _source(dataset, train_file, validation_file, session)
    parts, dropped = {}, 0
    for split, items in source.splits.items():
        title = _title(dataset, split, train_file, validation_file)
        parts[split] = _read(items, title, overlaps, session, whole_texts, "labelled texts")
        dropped += parts[split].dropped
    issues = {split: part.issues for split, part in parts.items()}
    items_of = _with_validation({split: part.items for split, part in parts.items()}, dataset)
    splits = {}
    for split, items in items_of.items():
        splits[split] = [item.example for item in items if not item.left_out]
        title = _title(dataset, split, train_file, validation_file)
        if not splits[split]:
            raise ValueError(f"{title}: expected at least one example, got none that can be used; check file and form")
    origins = _origins(source, parts, splits)
    if calibration is not None:
        groups = [item.group for item in items_of["train"] if not item.left_out]
        splits["calibration"], issues["calibration"], lost = _calibration(
            calibration, dataset, splits, groups, overlaps, options, whole_texts
        )
        dropped += lost
    if extra_train_file is not None:
        splits["extra_train_file"], issues["extra_train_file"] = read_split(
            *("jsonl", extra_train_file, overlaps, ReadOptions(skip_invalid=options.skip_invalid)),
            labelled=True,
            whole_texts=whole_texts,
        )
    values = holds_values(splits["train"], problem_type)
    if values:
        splits = {split: [valued(example, split) for example in examples] for split, examples in splits.items()}
    labels = (VALUE,) if values else _labels(splits, source.labels)
    for split, asked in (("train", max_train_samples), ("validation", max_eval_samples)):
        held = len(splits[split])
        splits[split] = first_items(splits[split], split, asked)
        origins[split] = origins[split]._replace(used=origins[split].used - held + len(splits[split]))
    splits["train"] = splits["train"] + splits.pop("extra_train_file", [])
    for split, items in items_of.items():
        asked = {"train": max_train_samples, "validation": max_eval_samples}.get(split)
        issues[split] = issues.get(split, SplitIssues())._replace(left_out=_left_out(items, asked))
    return Corpus(labels, splits, dropped, values, issues, origins)


def first_items(items: list, split: str, asked: int | None) -> list:
    """Return the first items of a split.

    Args:
        items: All items.
        split: Its name, "train" or "validation".
        asked: Number of items, `max_train_samples` or `max_eval_samples`; None returns all.

    Raises:
        ValueError: If the split holds fewer.
    """
    if asked is not None and not 1 <= asked <= len(items):
        key = "max_train_samples" if split == "train" else "max_eval_samples"
        raise ValueError(
            f"expected {key} between 1 and the {len(items):,} of the {split} split, got {asked}; choose fewer, or "
            "remove it to use all"
        )
    return items[:asked]


def _origins(source: RawDataset, parts: dict[str, "_Part"], splits: dict[str, list[Example]]) -> dict[str, Origin]:
    """Origins of training and validation examples, before any are held back or excluded."""
    cut, found = "validation" not in parts, {}
    for split in ("train", "validation"):
        read, count = "train" if cut else split, len(splits[split])
        found[split] = Origin(source.hub.get(read), cut, count, count, parts[read].dropped)
    return found


def _left_out(items: Sequence[Item], asked: int | None) -> int:
    """Count the unusable items before the last example that is asked for."""
    found = used = 0
    for item in items:
        if asked is not None and used == asked:
            break
        found += bool(item.left_out)
        used += not item.left_out
    return found


class Split(NamedTuple):
    """The examples of one file or split.

    Args:
        examples: Those that can be used, checked.
        issues: Their issues.
    """

    examples: list[Example]
    issues: SplitIssues


def read_split(
    dataset: str,
    path: str,
    overlaps: str = "error",
    options: ReadOptions = DEFAULTS,
    labelled: bool = False,
    whole_texts: bool = False,
    annotated: bool = True,
) -> Split:
    """Read and check one file, or one split of a set that needs no file.

    Args:
        dataset: A name that `dataset_spec` knows.
        path: A file or folder in the form of `dataset`; for sets without files (`sample`, `hub:NAME`) a split's name.
        overlaps: As in `load_corpus`.
        options: Options for reading files.
        labelled: Whether an unlabelled text is an invalid record.
        whole_texts: As in `load_corpus`.
        annotated: Whether annotations are used; otherwise all examples are unlabelled.

    Raises:
        Exception: As `load_corpus`.
    Warns if gold spans begin or end with white space, which is removed.

    >>> len(read_split("sample", "validation").examples) > 0
    True
    """
    _check_overlaps(overlaps)
    check_options(dataset, options)
    reader = dataset_spec(dataset)
    session = ReadSession(options, collect=True, labelled=annotated)
    names_split = path in ("train", "validation", "test") and not Path(path).exists()
    if reader.read_file and not (reader.read_set and names_split):
        items, title = reader.read_file(path, session), str(path)
    else:
        splits = reader.read_set(session).splits
        if path not in splits:
            raise ValueError(
                f"expected a split of {dataset!r} ({', '.join(splits)}), because the set is not read from files, got "
                f"{path!r}; name one of them"
            )
        items, title = splits[path], f"{dataset}, split {path!r}"
    part = _read(items, title, overlaps, session, whole_texts, "labelled texts" if labelled else "")
    left_out = sum(bool(item.left_out) for item in part.items)
    examples = [item.example for item in part.items if not item.left_out]
    if not examples:
        raise ValueError(f"{title}: expected at least one example, got none that can be used; check file and form")
    issues = part.issues._replace(left_out=left_out)
    if not annotated:
        examples, issues = [replace(example, spans=None) for example in examples], issues._replace(trimmed=0)
    return Split(examples, issues)


def read_examples(
    dataset: str, path: str, overlaps: str = "error", options: ReadOptions = DEFAULTS, whole_texts: bool = False
) -> list[Example]:
    """The examples of `read_split`."""
    return read_split(dataset, path, overlaps, options, whole_texts=whole_texts).examples


class _Part(NamedTuple):
    """Checked items of a file or split, number of dropped spans, and issues."""

    items: list[Item]
    dropped: int
    issues: SplitIssues


def _read(
    items: Iterable[Item], title: str, overlaps: str, session: ReadSession, whole_texts: bool, labelled: str = ""
) -> _Part:
    """Check the examples of all items and that their ids are unique.

    Args:
        items: The items.
        title: Name of the items, for the error about an empty split.
        overlaps: As in `load_corpus`.
        session: Session with which they are read; it collects invalid ones.
        whole_texts: As in `load_corpus`.
        labelled: Expected kind of texts, for errors; empty if texts may be unlabelled.

    Raises:
        ValueError: If there are none, an id is not unique, or spans overlap under "error".
    """
    session.begin()
    kept, changes = [], [Changes()]
    places: dict[str, str] = {}
    for item in items:
        with session.record():
            name = item.example.id
            if name in places:
                raise ValueError(
                    f"{item.place}: expected unique ids in a split, got {name!r}, which is also used at "
                    f"{places[name]}; rename one of the two"
                )
            places[name] = item.place
            try:
                example, changed = checked(item.example, overlaps, whole_texts or item.whole_text)
            except ValueError as error:
                raise ValueError(f"{item.place}: {error}") from error
            if labelled and example.spans is None and not item.left_out:
                raise ValueError(
                    f"example {name!r} ({title}): expected {labelled}, got one without spans; write [] for a text "
                    "without spans, or remove the text if it is not labelled"
                )
            kept.append(item._replace(example=example))
            changes.append(changed)
    session.finish()
    if not kept:
        raise ValueError(
            f"{title}: expected at least one example, got {session.nothing('an empty split')}; check file and form"
        )
    dropped, trimmed = map(sum, zip(*changes))
    return _Part(kept, dropped, SplitIssues(session.invalid, str(session.first or ""), trimmed=trimmed))


def _check_overlaps(overlaps: str) -> None:
    if overlaps not in ("error", "longest"):
        raise ValueError(f"expected overlaps to be 'error' or 'longest', got {overlaps!r}; choose one of the two")


def _source(dataset: str, train_file: str | None, validation_file: str | None, session: ReadSession) -> RawDataset:
    reader = dataset_spec(dataset)
    if train_file is None:
        if validation_file is not None:
            raise ValueError(
                f"expected a train_file beside the validation_file {validation_file!r}, got none; pass both"
            )
        if reader.read_set is None:
            raise ValueError(f"expected a train_file for the data set {dataset!r}, got none; pass --train_file FILE")
        return reader.read_set(session)
    if reader.read_file is None:
        raise ValueError(
            f"expected no train_file for {dataset!r}, which brings its own data, got {train_file!r}; remove it, or "
            "name the file's form as the data set (jsonl, conll, ...)"
        )
    splits = {"train": reader.read_file(train_file, session)}
    if validation_file is not None:
        splits["validation"] = reader.read_file(validation_file, session)
    return RawDataset(splits)


def _with_validation(splits: dict[str, list[Item]], dataset: str) -> dict[str, list[Item]]:
    splits = {split: grouped_pairs(items) for split, items in splits.items()}
    if "train" not in splits:
        raise ValueError(
            f"{dataset}: expected a split named train, got {', '.join(splits) or 'none'}; save the set with one"
        )
    if "validation" not in splits:
        cut = _grouped(splits["train"], [item.group for item in splits["train"]])
        if len(cut) == 1:
            kind = "articles" if cut[0][0].group else "examples"
            raise ValueError(
                f"{cut[0][0].place}: expected two {kind} or more to train and validate with, got one, which became "
                "validation; add to the data, or pass --validation_file"
            )
        splits["validation"] = [item for group in cut[::VALIDATION_EVERY] for item in group]
        splits["train"] = [item for at, group in enumerate(cut) if at % VALIDATION_EVERY for item in group]
    order = ["train", "validation", *(split for split in splits if split not in ("train", "validation"))]
    return {split: splits[split] for split in order}


def _grouped(items: Sequence, groups: Sequence[str]) -> list[list]:
    """Group items that must stay in one part, such as the questions of one article.

    Args:
        items: In order.
        groups: The group of each item; empty for an item without a group.
    """
    found: dict[str | int, list] = {}
    for at, (item, group) in enumerate(zip(items, groups, strict=True)):
        found.setdefault(group or at, []).append(item)
    return list(found.values())


def _calibration(
    asked: str,
    dataset: str,
    splits: dict[str, list[Example]],
    groups: Sequence[str],
    overlaps: str,
    options: ReadOptions,
    whole_texts: bool,
) -> tuple[list[Example], SplitIssues, int]:
    """Return the calibration examples, their issues, and the number of dropped spans.

    A share is removed from `splits["train"]`; `groups` are the groups of its examples.
    """
    try:
        share = float(asked)
    except ValueError:
        share = None
    if share is not None:
        every = round(1 / share) if 0 < share <= 0.5 else 0
        cut = _grouped(splits["train"], groups)
        if every < 2 or len(cut) < every:
            raise ValueError(
                f"expected calibration_split to hold back a share above 0, up to 0.5, of {len(splits['train']):,} "
                f"training examples, got {asked}; 0.1 holds back every tenth"
            )
        held = [example for group in cut[::every] for example in group]
        splits["train"] = [example for at, group in enumerate(cut) if at % every for example in group]
        return held, SplitIssues(), 0
    if asked in ("train", "validation"):
        raise ValueError(
            f"expected calibration_split to be neither trained on nor reported, got {asked!r}; name another split or "
            "file, or a share of the training part such as 0.1"
        )
    if asked in splits:
        return splits[asked], SplitIssues(), 0
    reader = dataset_spec(dataset)
    if not reader.read_file or not Path(asked).exists():
        raise ValueError(
            f"expected calibration_split to be a split ({', '.join(splits)}), a file or a share such as 0.1, got "
            f"{asked!r}; choose one of them"
        )
    session = ReadSession(options, collect=True)
    items, wanted = reader.read_file(asked, session), "labelled texts to calibrate with"
    part = _read(items, asked, overlaps, session, whole_texts, wanted)
    return [item.example for item in part.items if not item.left_out], part.issues, part.dropped


def _title(dataset: str, split: str, train_file: str | None, validation_file: str | None) -> str:
    path = train_file if split == "train" or validation_file is None else validation_file
    return f"{path or dataset}, split {split!r}"


def _labels(splits: dict[str, list[Example]], given: tuple[str, ...] | None) -> tuple[str, ...]:
    labels = given or tuple(sorted({span.label for example in splits["train"] for span in example.spans}))
    if not labels:
        raise ValueError("expected spans in the training split, got none in any text; check the file's labels")
    for split, examples in splits.items():
        for example in examples:
            for span in example.spans:
                if span.label not in labels:
                    raise ValueError(
                        f"example {example.id!r} ({split}): expected labels that the training split holds "
                        f"({', '.join(labels)}), got {span.label!r}; rename the label or add training examples of it"
                    )
    return labels
