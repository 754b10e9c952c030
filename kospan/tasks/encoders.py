"""Where an encoder comes from: the Hub, a folder, an installed package, or scratch."""

import difflib
import importlib.util
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModel, AutoTokenizer, ElectraConfig, PreTrainedTokenizerFast
from transformers.activations import ACT2FN

from kospan.modeling.alignment import clusters
from kospan.modeling.words import plain_spaces
from kospan.recipe import Recipe

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]")
# What stands for a small model; a recipe's encoder_options win.
SCRATCH = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 512,
}


# Sizes of an encoder and the least that each may be.
_LEAST = {
    "num_hidden_layers": 0,
    "initializer_range": 0,
    **dict.fromkeys(("embedding_size", "hidden_size", "intermediate_size", "num_attention_heads"), 1),
    **dict.fromkeys(("max_position_embeddings", "type_vocab_size", "min_count"), 1),
}
# What an encoder from nothing takes from its tokenizer.
_FROM_TOKENIZER = ("vocab_size", "pad_token_id")


def locate(encoder: str) -> str:
    """A Hub name or a folder from what a recipe says; `package:NAME/FOLDER` is a folder of an installed package.

    Raises: FileNotFoundError where a package or its folder is not there.
    """
    if not encoder.startswith("package:"):
        return encoder
    package, _, folder = encoder.removeprefix("package:").partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            f"expected the package {package} for encoder {encoder}, found none; `pip install "
            f"{package.replace('_', '-')}`"
        )
    path = Path(found.submodule_search_locations[0]) / folder
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"expected a model at {path} for encoder {encoder}, found no config.json there")
    return str(path)


def read_settings(encoder: str, file: str) -> dict:
    """What a JSON file in an encoder's folder holds; empty where there is none. The Hub is not asked."""
    try:
        found = json.loads((Path(locate(encoder)) / file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_no_file(name: str) -> None:
    """Raises: FileNotFoundError where a file stands where a model's folder should."""
    if os.path.isfile(name):
        raise FileNotFoundError(
            f"expected a model's folder or its name on the Hub, got the file {name}; name the folder that holds "
            "config.json"
        )


def load_config(encoder: str, options: dict):
    """The encoder's config with a recipe's options.

    Raises: FileNotFoundError where there is no such encoder; ValueError as `check_encoder_options`.
    """
    check_no_file(encoder)
    try:
        config = AutoConfig.from_pretrained(locate(encoder))
        return AutoConfig.from_pretrained(locate(encoder), **check_encoder_options(options, config))
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"expected an encoder on the Hub or in a folder under the name {encoder!r}, found none ({reason}); check "
            "the spelling and the connection, or set encoder: scratch"
        ) from error


def check_reads(encoder: torch.nn.Module, name: str, pad_token_id: int | None) -> None:
    """Gives an encoder a few subwords, as training will, so that one of another kind is noticed at once.

    Args:
        encoder: The encoder as it was loaded.
        name: What the recipe calls it.
        pad_token_id: A subword that every vocabulary has.

    Raises: ValueError where it does not give a state for each subword.
    """
    ids = torch.full((1, 3), pad_token_id or 0, device=encoder.device)
    mode, wrong = encoder.training, ""
    with torch.no_grad(), torch.random.fork_rng(devices=[] if ids.device.type == "cpu" else [ids.device]):
        encoder.train()
        try:
            found = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), return_dict=True)
            shape = tuple(found.last_hidden_state.shape)
            if shape != (1, 3, encoder.config.hidden_size) or not hasattr(found, "attentions"):
                wrong = f"states of the shape {shape}"
        except Exception as error:  # Whatever a model of another kind makes of subwords.
            wrong = " ".join(str(error).split())[:200] or type(error).__name__
        finally:
            encoder.train(mode)
    if wrong:
        raise ValueError(
            "expected an encoder that gives a state for each subword of a text, such as BERT, RoBERTa or ELECTRA, "
            f"got {name} of type {encoder.config.model_type!r} ({wrong}); name another encoder"
        )


def check_kind(config, name: str) -> None:
    """Raises: ValueError where a config is that of no encoder of texts."""
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"expected an encoder such as BERT, RoBERTa or ELECTRA, got {name} of type {config.model_type!r}, which "
            "has an encoder and a decoder; name an encoder alone"
        )
    missing = [key for key in ("hidden_size", "vocab_size") if not isinstance(getattr(config, key, None), int)]
    if missing:
        raise ValueError(
            f"expected an encoder of texts such as BERT, RoBERTa or ELECTRA, got {name} of type "
            f"{config.model_type!r}, whose config has no {missing[0]}; name another encoder"
        )


# Of a config, what says nothing of how the encoder computes.
_NO_OPTIONS = ("model_type", "architectures", "id2label", "label2id", "transformers_version", "problem_type")


def check_encoder_options(options: dict, config, known: dict | None = None) -> dict:
    """A recipe's `encoder_options` with values of the types that the encoder's config holds.

    Args:
        options: The settings, by name.
        config: A config of the encoder's kind; its values say which names and types there are.
        known: Names and values of settings that are right beside the config's own.

    Raises: ValueError naming the nearest right name where one is unknown, or a value that makes no encoder.

    >>> check_encoder_options({"hidden_dropout_prob": "3e-1"}, ElectraConfig())
    {'hidden_dropout_prob': 0.3}
    """
    known = {**config.to_dict(), **{name: getattr(config, name) for name in config.attribute_map}, **(known or {})}
    checked = {}
    for name, value in options.items():
        if name not in known or name in _NO_OPTIONS:
            others = [] if name in _NO_OPTIONS else known.keys() - set(_NO_OPTIONS)
            near = next(iter(difflib.get_close_matches(str(name), others, 1, 0.5)), None)
            advice = f"did you mean {near}?" if near else "take it out"
            raise ValueError(
                f"expected encoder_options to be settings of the encoder's config ({config.model_type}), got "
                f"{name!r}; {advice}"
            )
        checked[name] = _option(name, value, known[name])
    activation = checked.get("hidden_act", checked.get("hidden_activation"))
    if activation is not None and activation not in ACT2FN:
        near = next(iter(difflib.get_close_matches(activation, ACT2FN, 1, 0.5)), "gelu")
        raise ValueError(
            f"expected encoder_options['hidden_act'] to be an activation of transformers, got {activation!r}; did "
            f"you mean {near}?"
        )
    sizes = {**config.to_dict(), **checked}
    hidden, heads = sizes.get("hidden_size"), sizes.get("num_attention_heads")
    if checked.keys() & {"hidden_size", "num_attention_heads"} and hidden and heads and hidden % heads:
        raise ValueError(
            f"expected encoder_options with a hidden_size that num_attention_heads divides, got {hidden} and "
            f"{heads}; change one of them"
        )
    return checked


def _option(name: str, value, example):
    """A value of an encoder's setting as its type; `example` is one that is right."""
    kind = type(example)
    if kind in (int, float):
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                raise ValueError
            number = float(value)
            if kind is int and number != int(number) and not name.endswith(("dropout", "_prob")):
                raise ValueError
            number = int(number) if number == int(number) and kind is int else number
        except (ValueError, OverflowError):
            wanted = "a whole number" if kind is int else "a number"
            raise ValueError(f"expected encoder_options[{name!r}] to be {wanted}, got {value!r}; mend it") from None
        least = _LEAST.get(name)
        if least is not None and number < least:
            raise ValueError(f"expected encoder_options[{name!r}] to be {least} or more, got {value!r}; mend it")
        if name.endswith(("dropout", "_prob")) and not 0 <= number < 1:
            raise ValueError(f"expected encoder_options[{name!r}] to be from 0 to below 1, got {value!r}; mend it")
        return number
    if kind in (bool, str) and not isinstance(value, kind):
        wanted = "true or false" if kind is bool else "text"
        raise ValueError(f"expected encoder_options[{name!r}] to be {wanted}, got {value!r}; mend it")
    return value


def check_scratch_options(options: dict) -> dict:
    """As `check_encoder_options`, for an encoder from nothing; what is left out has the values of `SCRATCH`."""
    for name in _FROM_TOKENIZER:
        if name in options:
            raise ValueError(
                f"expected encoder_options without {name} for encoder: scratch, whose tokenizer gives it, got "
                f"{options[name]!r}; take it out"
            )
    return check_encoder_options({**SCRATCH, **options}, ElectraConfig(), {"min_count": 1})


def load_ours(name: str, **kwargs):
    """A model of ours with every weight that it needs.

    Args:
        name: Folder or Hub name.
        **kwargs: What `AutoModel.from_pretrained` takes.

    Raises: ValueError where weights are cut short, of other shapes or missing: they would be random.
    """
    with whole_weights(name):
        model, report = AutoModel.from_pretrained(name, output_loading_info=True, **kwargs)
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            f"expected every weight of the model in {name}, got a checkpoint that lacks {len(missing)} of them "
            f"(first: {missing[0]}); copy or fetch the model again"
        )
    return model


def load_tokenizer(encoder: str):
    """The encoder's fast tokenizer. Raises: FileNotFoundError where there is none."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(locate(encoder), use_fast=True)
    except OSError as error:
        raise FileNotFoundError(
            f"expected a tokenizer beside the encoder {encoder!r}, found none ({str(error).splitlines()[0]})"
        ) from error
    if knows_nothing(tokenizer):
        raise FileNotFoundError(
            f"expected a tokenizer beside the encoder {encoder!r}, found none or one without words; save it there "
            "with tokenizer.save_pretrained(folder)"
        )
    return tokenizer


def knows_nothing(tokenizer) -> bool:
    """Whether a tokenizer holds special tokens alone; transformers 5 makes one up where there are no files of one."""
    return len(tokenizer) <= len(set(tokenizer.all_special_tokens))


@contextmanager
def whole_weights(name: str | os.PathLike) -> Iterator[None]:
    """Around the loading of a model: what goes wrong with its weights, in words that say what to do.

    Args:
        name: Folder or Hub name, as errors name it.

    Raises: FileNotFoundError where a file is missing; ValueError where weights are cut short, as a copy that broke off
        leaves them, or do not fit the config.
    """
    try:
        yield
    except OSError as error:
        raise FileNotFoundError(
            f"expected weights in {name}, found none ({str(error).strip().splitlines()[0]}); copy or fetch the model "
            "again"
        ) from error
    except SafetensorError as error:
        raise ValueError(
            f"expected whole weights in {name}, got a file that is cut short or is no safetensors ({error}); copy or "
            "fetch the model again"
        ) from error
    except RuntimeError as error:
        # The library's whole message; the shapes stand in a table that it has logged.
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError(
            f"expected weights in {name} with the shapes that its config.json gives, got others; take config and "
            "weights from one model"
        ) from error


def character_tokenizer(texts: list[str], min_count: int = 1) -> PreTrainedTokenizerFast:
    """A fast tokenizer with a subword per character of `texts`, the most frequent first.

    Args:
        texts: What the vocabulary is counted on.
        min_count: Characters that occur less often become [UNK], so that its vector is trained.
    """
    counts = Counter(character for text in texts for character in text)
    kept = [character for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    kept = [character for character in kept if counts[character] >= min_count]
    vocabulary = {subword: at for at, subword in enumerate([*SPECIAL, *kept])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def scratch_encoder(texts: list[str], options: dict) -> tuple[ElectraConfig, PreTrainedTokenizerFast]:
    """An ELECTRA config (0 or more layers) and a character tokenizer; no weights yet.

    Args:
        texts: The training texts.
        options: Settings of ElectraConfig; `min_count` belongs to the vocabulary.

    Raises: ValueError as `check_encoder_options`.
    """
    options = check_scratch_options(options)
    tokenizer = character_tokenizer(texts, options.pop("min_count", 1))
    tokenizer.model_max_length = options["max_position_embeddings"]
    return ElectraConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **options), tokenizer


def start_without_positions(encoder) -> None:
    """Zeros the position and segment tables of an encoder without weights.

    Drawn like the word vectors they would drown them: half of what a character says would be noise about its place.
    From zero they learn what places are good for.
    """
    with torch.no_grad():
        encoder.embeddings.position_embeddings.weight.zero_()
        encoder.embeddings.token_type_embeddings.weight.zero_()


def encoder_parts(recipe: Recipe, texts: list[str]):
    """`(config, tokenizer)` of the recipe's encoder."""
    if recipe.encoder == "scratch":
        # The vocabulary is counted on what the tokenizer will be given.
        parts_of = (clusters(text, recipe.normalization) for text in texts)
        read = [plain_spaces("".join(part for _, _, part in parts)) for parts in parts_of]
        return scratch_encoder(read, recipe.encoder_options)
    config = load_config(recipe.encoder, recipe.encoder_options)
    check_kind(config, recipe.encoder)
    tokenizer = load_tokenizer(recipe.encoder)
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise ValueError(
            f"expected a tokenizer whose ids lie below the encoder's vocab_size {config.vocab_size}, got id "
            f"{highest} beside {recipe.encoder}; use the tokenizer that the encoder was trained with"
        )
    return config, tokenizer
