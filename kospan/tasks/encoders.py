"""Where an encoder comes from: the Hub, a folder, an installed package, or scratch."""

import importlib.util
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


def load_config(encoder: str, options: dict):
    """The encoder's config with a recipe's options. Raises: FileNotFoundError where there is no such encoder."""
    try:
        return AutoConfig.from_pretrained(locate(encoder), **options)
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"expected an encoder on the Hub or in a folder under the name {encoder!r}, found none ({reason}); "
            f"check the "
            "spelling and the connection, or set encoder: scratch"
        ) from error


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
            f"expected every weight of the model in {name}, got a checkpoint that lacks {len(missing)} of them (first: "
            f"{missing[0]}); copy or fetch the model again"
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
    """A fast tokenizer with a piece per character of `texts`, the most frequent first.

    Args:
        texts: What the vocabulary is counted on.
        min_count: Characters that occur less often become [UNK], so that its vector is trained.
    """
    counts = Counter(character for text in texts for character in text)
    kept = [character for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    kept = [character for character in kept if counts[character] >= min_count]
    vocabulary = {piece: at for at, piece in enumerate([*SPECIAL, *kept])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
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
    """
    options = {**SCRATCH, **options}
    tokenizer = character_tokenizer(texts, int(options.pop("min_count", 1)))
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
        return scratch_encoder(texts, recipe.encoder_options)
    config, tokenizer = load_config(recipe.encoder, recipe.encoder_options), load_tokenizer(recipe.encoder)
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise ValueError(
            f"expected a tokenizer whose ids lie below the encoder's vocab_size {config.vocab_size}, got id {highest} "
            f"beside {recipe.encoder}; use the tokenizer that the encoder was trained with"
        )
    return config, tokenizer
