"""A BERT-class encoder as a stock `big_bird` checkpoint of up to `max_length` positions, without training; and back."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, BigBirdConfig

from kospan.conversion.checkpoint import WEIGHTS, Source, as_tensor, digest, read_source, write_tensors
from kospan.conversion.refusals import check_fits
from kospan.conversion.renames import BIGBIRD_PREFIX, HEAD_NAMES, KINDS, POSITIONS, SEGMENTS, Names, pairs, spelling
from kospan.conversion.segments import NOISE, segment_rows, write_tokenizer
from kospan.conversion.segments import SEGMENTS as SEGMENT_WAYS
from kospan.conversion.taper import LAW, TAU, check_law, stretched

PAPERS, LEFT_OVER = "conversion.json", "conversion.safetensors"
# Settings that mean the same in BigBird; what a source lacks keeps BigBird's default.
_CARRIED = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "initializer_range"),
    *("layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id", "tie_word_embeddings"),
)
# How leftovers are filed in conversion.safetensors.
_TENSOR, _ROWS, _FILE = "tensor:", "rows:", "file:"


@dataclass(frozen=True)
class Settings:
    """How an encoder is made long.

    Args:
        max_length: Positions of the BigBird, special tokens included; the source's own or more, no multiple of
            anything (sparse attention fills up its last block by itself).
        law: TAPER's law, a name of `taper.LAWS`; "none" repeats positions at full strength.
        tau: How slowly repetitions fade, the law's only number.
        block_size: Positions of a block of sparse attention.
        random_blocks: r, the blocks that a row sees beside its neighbours and the ends; 0 turns them off.
        segments: The second text's row, a name of `segments.SEGMENTS`; None is "own" where the source has a second row
            and "copied" where it has none.
        segment_noise: Standard deviation of the noise of "noised", in those of the row's values.
        seed: Of that noise.
    """

    max_length: int = 4096
    law: str = LAW
    tau: float = TAU
    block_size: int = 64
    random_blocks: int = 3
    segments: str | None = None
    segment_noise: float = NOISE
    seed: int = 0

    def __post_init__(self):
        check_law(self.law, self.tau)
        for name, least in (("max_length", 1), ("block_size", 1), ("random_blocks", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"expected {name} to be a whole number, got {value!r}; mend it")
            if value < least:
                raise ValueError(f"expected {name} of {least} or more, got {value}; mend it")
        if self.segments is not None and self.segments not in SEGMENT_WAYS:
            raise ValueError(
                f"expected segments to be one of {', '.join(SEGMENT_WAYS)}, got {self.segments!r}; choose one of them"
            )
        if not (math.isfinite(self.segment_noise) and self.segment_noise >= 0):
            raise ValueError(f"expected segment_noise of 0 or more, got {self.segment_noise}; {NOISE} is the default")

    @property
    def full_up_to(self) -> int:
        """Positions up to which a stock BigBird can only attend to everything."""
        return (5 + 2 * self.random_blocks) * self.block_size


def convert_to_bigbird(place: str, folder: Path, settings: Settings | None = None, name: str | None = None) -> dict:
    """Writes a BigBird with a source's parameters: weights, config, tokenizer, and what the way back needs.

    Every parameter is kept. The names change by the table of `renames.py`; the position table is stretched by TAPER,
    the segment table gets a second row; what BigBird has no place for goes into `conversion.safetensors`, with config
    and tokenizer of the source byte for byte. A source without a pooler gets one that passes the first state on (the
    unit matrix), since stock BigBird has one.

    Args:
        place: The source: a folder, or a name on the Hub.
        folder: An empty folder.
        settings: How it is made long (default: `Settings()`).
        name: What the source is called in the papers (default: `place`, of a folder its last part).

    Returns: what `conversion.json` says.

    Raises: FileNotFoundError where the source lacks a part; ValueError where it does not fit into a BigBird.
    """
    settings = settings or Settings()
    source = read_source(place, name)
    config, reach = check_fits(place, source, settings.max_length)
    kind, way = KINDS[config.model_type], settings.segments
    head, why_not = _takes_head(source, config)
    names = spelling(config.model_type, list(source.tensors))
    table = dict(pairs(config.model_type, config.num_hidden_layers, names, head))
    kept, renamed = {}, {}
    for old, tensor in source.tensors.items():
        if old in table:
            renamed[table[old]] = tensor
        else:
            kept[_TENSOR + old] = tensor

    prefix = BIGBIRD_PREFIX if head else ""
    _check_whole(source.name, table, renamed, prefix)
    first = renamed[prefix + POSITIONS].shape[0] - reach
    kept[_ROWS + POSITIONS], positions = renamed[prefix + POSITIONS].split([first, reach])
    renamed[prefix + POSITIONS] = stretched(positions, settings.max_length, settings.law, settings.tau)

    rows = renamed[prefix + SEGMENTS]
    way = way or ("own" if rows.shape[0] > 1 else "copied")
    if way == "own" and rows.shape[0] < 2:
        raise ValueError(
            f"expected a source with a second segment row for segments 'own', got one row in {source.name}; choose "
            "copied, noised or absent"
        )
    kept[_ROWS + SEGMENTS] = rows
    renamed[prefix + SEGMENTS] = segment_rows(rows, way, settings.segment_noise, settings.seed)
    added = _fill(renamed, prefix, head, config.hidden_size)

    tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True)
    _check_tokenizer(tokenizer, source.name, config.vocab_size)
    written = _bigbird_config(config, settings, reach, renamed, prefix, head)
    written.sep_token_id = tokenizer.sep_token_id
    written.save_pretrained(folder)
    write_tokenizer(tokenizer, folder, settings.max_length, way != "absent")
    write_tensors(folder / WEIGHTS, renamed, {"format": "pt"})
    kept |= {_FILE + each: as_tensor(content) for each, content in source.files.items()}
    write_tensors(folder / LEFT_OVER, kept, {"format": "pt"})
    papers = {
        "source": source.name,
        "model_type": config.model_type,
        "source_length": reach,
        "repetitions": -(-settings.max_length // reach),
        **asdict(settings),
        "segments": way,
        "head": head,
        "head_left_out": why_not,
        "names": names._asdict(),
        "shifted": first if kind.shifted else 0,
        "added": added,
        "left_over": sorted(key.partition(":")[2] for key in kept if key.startswith(_TENSOR)),
        "parameters": sum(tensor.numel() for tensor in renamed.values()),
        "metadata": source.metadata,
        "sha256": digest(source.tensors),
        "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
        "source_config": source.settings,
    }
    (folder / PAPERS).write_text(json.dumps(papers, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return papers


def _takes_head(source: Source, config) -> tuple[bool, str | None]:
    """Whether the source's masked-language-model head goes into BigBird's; else why not (None: it has none)."""
    kind = KINDS[config.model_type]
    # The transform and the bias are there in every head; the decoder's matrix may be tied to the words.
    needed = [_spelled(name, source) for name in kind.head[:5]]
    if not all(name in source.tensors for name in needed):
        return False, None
    if kind.head_activation and config.hidden_act != kind.head_activation:
        return False, (
            f"its head computes {kind.head_activation} and its layers {config.hidden_act}, and BigBird has one "
            "activation for both"
        )
    return True, None


def _spelled(name: str, source: Source) -> str:
    return name if name in source.tensors else name.replace(".weight", ".gamma").replace(".bias", ".beta")


def _check_whole(name: str, table: dict[str, str], renamed: dict, prefix: str) -> None:
    optional = {*HEAD_NAMES[5:], prefix + "pooler.weight", prefix + "pooler.bias"}
    missing = sorted(old for old, new in table.items() if new not in renamed and new not in optional)
    if missing:
        raise ValueError(
            f"expected every weight of the encoder in {name}, got a checkpoint that lacks {len(missing)} of them "
            f"(first: {missing[0]}); copy or fetch the model again"
        )


def _fill(renamed: dict[str, torch.Tensor], prefix: str, head: bool, hidden: int) -> list[str]:
    """Adds what a stock BigBird expects and the source does not have; gives the names."""
    like = renamed[prefix + POSITIONS].dtype
    wanted = {}
    if prefix + "pooler.weight" not in renamed:
        wanted[prefix + "pooler.weight"] = torch.eye(hidden, dtype=like)
        wanted[prefix + "pooler.bias"] = torch.zeros(hidden, dtype=like)
    weight, bias = HEAD_NAMES[5:]
    if head and weight in renamed and bias not in renamed:
        # An own decoder matrix brings an own bias, which ELECTRA stores once.
        wanted[bias] = renamed[HEAD_NAMES[4]].clone()
    renamed |= wanted
    return sorted(wanted)


def _check_tokenizer(tokenizer, name: str, vocabulary: int) -> None:
    if not tokenizer.is_fast:
        raise ValueError(
            f"expected a fast tokenizer beside {name}, got {type(tokenizer).__name__}; save one there that has a "
            "tokenizer.json"
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise FileNotFoundError(
            f"expected a tokenizer beside {name}, found none or one without words; save it there with "
            "tokenizer.save_pretrained(folder)"
        )
    if (highest := max(tokenizer.get_vocab().values())) >= vocabulary:
        raise ValueError(
            f"expected a tokenizer whose ids lie below the source's vocab_size {vocabulary}, got id {highest} beside "
            f"{name}; use the tokenizer that the encoder was trained with"
        )


def _bigbird_config(config, settings: Settings, reach: int, renamed: dict, prefix: str, head: bool) -> BigBirdConfig:
    carried = {name: getattr(config, name) for name in _CARRIED if hasattr(config, name)}
    built = BigBirdConfig(
        **carried,
        max_position_embeddings=settings.max_length,
        type_vocab_size=renamed[prefix + SEGMENTS].shape[0],
        attention_type="block_sparse",
        block_size=settings.block_size,
        num_random_blocks=settings.random_blocks,
        use_bias=True,
        rescale_embeddings=False,
        architectures=["BigBirdForMaskedLM" if head else "BigBirdModel"],
        # Sparse attention reads everything up to here, as the source did.
        source_length=reach,
    )
    built.dtype = renamed[prefix + POSITIONS].dtype
    return built


def convert_back(place: str | Path, folder: Path) -> tuple[dict, bool]:
    """Writes the source of a conversion again: tensors, config and tokenizer.

    A conversion that nothing has trained gives the source bit for bit. One that was trained on gives its new parameters
    under the source's names, the first n positions among them; config and tokenizer are the source's.

    Args:
        place: The folder of a conversion, with `conversion.json` and `conversion.safetensors` in it.
        folder: An empty folder.

    Returns: what `conversion.json` says, and whether the tensors are the source's bit for bit.

    Raises: FileNotFoundError where the folder is no conversion; ValueError where its weights do not belong together.
    """
    place = Path(place)
    for name in (PAPERS, LEFT_OVER):
        if not (place / name).is_file():
            raise FileNotFoundError(
                f"expected a conversion in {place}, found no {name}; a model trained from one needs the {PAPERS} and "
                f"{LEFT_OVER} of the folder that `kospan convert bigbird` wrote beside it"
            )
    papers = json.loads((place / PAPERS).read_text(encoding="utf-8"))
    kept = read_leftovers(place)
    current = read_source(str(place)).tensors
    config, head = papers["source_config"], papers["head"]
    table = pairs(papers["model_type"], _layers(config), Names(**papers["names"]), head)
    prefix = BIGBIRD_PREFIX if head else ""
    tensors = {old: current[new] for old, new in table if new in current and new not in papers["added"]}
    inside = {new: old for old, new in table}
    for name, given in ((POSITIONS, papers["source_length"]), (SEGMENTS, None)):
        old, rows = inside[prefix + name], kept[_ROWS + name]
        if old not in tensors or tensors[old].shape[1:] != rows.shape[1:]:
            raise ValueError(
                f"expected weights in {place} that belong to its {PAPERS}, got others (at {prefix + name}); take both "
                "from one conversion"
            )
        tensors[old] = (
            torch.cat([rows, tensors[old][:given]]) if given else _segments_back(rows, tensors[old], papers["segments"])
        )
    tensors |= {key.removeprefix(_TENSOR): tensor for key, tensor in kept.items() if key.startswith(_TENSOR)}
    write_tensors(folder / WEIGHTS, tensors, papers["metadata"])
    for key, content in kept.items():
        if key.startswith(_FILE):
            (folder / key.removeprefix(_FILE)).write_bytes(content.numpy().tobytes())
    return papers, digest(tensors) == papers["sha256"]


def read_leftovers(place: Path) -> dict[str, torch.Tensor]:
    """What BigBird has no place for, by kind and name."""
    from safetensors.torch import load_file

    return load_file(place / LEFT_OVER)


def _segments_back(kept: torch.Tensor, current: torch.Tensor, way: str) -> torch.Tensor:
    """The source's segment table with the rows that BigBird used as they are now `(rows, hidden)`."""
    shared = kept.shape[0] if way == "own" else 1
    return torch.cat([current[:shared], kept[shared:]])


def _layers(config: dict) -> int:
    return AutoConfig.for_model(**config).num_hidden_layers
