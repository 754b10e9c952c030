"""Encoders from the Hub, a folder, an installed package, or scratch."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModel, AutoTokenizer, ElectraConfig, PreTrainedTokenizerFast
from transformers.activations import ACT2FN

from kospan.files import found_json_object
from kospan.model_names import is_installed, model_path, name_advice, package_folder
from kospan.modeling.alignment import clusters
from kospan.modeling.words import plain_spaces
from kospan.recipe import Recipe
from kospan.setting import suggestion
from kospan.training.batch_halving import is_out_of_memory

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]")
# Sizes of a small model; encoder_options of a recipe win.
SCRATCH = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 512,
}


# Least values of the sizes of an encoder.
_LEAST = {
    "num_hidden_layers": 0,
    "initializer_range": 0,
    **dict.fromkeys(("global_attn_every_n_layers", "local_attention"), 1),
    **dict.fromkeys(("embedding_size", "hidden_size", "intermediate_size", "num_attention_heads"), 1),
    **dict.fromkeys(("max_position_embeddings", "type_vocab_size", "min_count"), 1),
}


def locate(encoder: str) -> str:
    """Return the Hub name or folder of a recipe's `encoder`.

    It may be the name of an installed model, or `package:NAME/FOLDER`, a folder of an installed package.

    Raises:
        FileNotFoundError: A package or its folder is missing.
    """
    if not encoder.startswith("package:"):
        return model_path(encoder)
    package, _, folder = encoder.removeprefix("package:").partition("/")
    path = package_folder(package, folder)
    if path is None:
        raise FileNotFoundError(
            f"expected the package {package} for encoder {encoder}, found none; `pip install "
            f"{package.replace('_', '-')}`"
        )
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"expected a model at {path} for encoder {encoder}, found no config.json there")
    return str(path)


def is_on_disk(encoder: str) -> bool:
    """Whether a recipe's `encoder` is certainly no name on the Hub. A relative folder may be one."""
    return encoder.startswith("package:") or Path(encoder).is_absolute() or is_installed(encoder)


def read_settings(encoder: str, file: str) -> dict:
    """Read a JSON file in an encoder's folder; empty if there is none. The Hub is not asked."""
    with suppress(OSError, ValueError):
        return found_json_object(Path(locate(encoder)) / file) or {}
    return {}


def check_no_file(name: str) -> None:
    """Check that the name of a model is not a file.

    Raises:
        FileNotFoundError: It is one.
    """
    if os.path.isfile(name):
        raise FileNotFoundError(
            f"expected a model's folder or its name on the Hub, got the file {name}; name the folder that holds "
            "config.json"
        )


def load_config(encoder: str, options: dict):
    """Load the config of an encoder with a recipe's options; of fewer layers, the first are used.

    Raises:
        FileNotFoundError: There is no such encoder.
        ValueError: As `check_encoder_options`, more layers than the encoder has, or the encoder is a model of an
            earlier version of kospan.
    """
    place = locate(encoder)
    check_no_file(place)
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        checked = _first_layers(check_encoder_options(options, config), config)
        with buildable(options):
            found = AutoConfig.from_pretrained(place, trust_remote_code=False, **checked)
        _check_layer_types(checked, found)
        return found
    except ValueError as error:
        check_code_of_its_own(error, encoder)
        raise
    except StrictDataclassError as error:
        raise ValueError(
            f"expected a config.json of transformers beside the encoder {encoder!r}, got one with a wrong value "
            f"({' '.join(str(error).split())[:200]}); copy or download it again"
        ) from error
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"expected an encoder on the Hub or in a folder under the name {encoder!r}, found none ({reason}); check "
            f"the spelling and the connection, or set encoder: scratch{name_advice(encoder)}"
        ) from error


def check_code_of_its_own(error: Exception, name: str) -> None:
    """Explain the error of transformers about a repository with Python code, which kospan never runs.

    Raises:
        ValueError: It is that error.
    """
    if "trust_remote_code" in str(error):
        raise ValueError(
            f"expected a model of a type that transformers knows, got {name}, which needs Python code of its own; no "
            "setting makes kospan run it: choose another model, or load it in Python with trust_remote_code=True"
        ) from error


def check_reads(encoder: torch.nn.Module, name: str, pad_token_id: int | None) -> None:
    """Run an encoder on a few subwords as in training, so that a model of another kind is an error at once.

    Args:
        encoder: The loaded encoder.
        name: Its name in the recipe.
        pad_token_id: A subword that every vocabulary has.

    Raises:
        ValueError: It does not return a hidden state for each subword.
    """
    ids = torch.full((1, 3), pad_token_id or 0, device=encoder.device)
    mode, wrong = encoder.training, ""
    with torch.no_grad(), torch.random.fork_rng(devices=[] if ids.device.type == "cpu" else [ids.device]):
        encoder.train()
        try:
            found = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), return_dict=True)
            shape = tuple(found.last_hidden_state.shape)
            if shape != (1, 3, encoder.config.hidden_size) or not hasattr(found, "attentions"):
                wrong = f"hidden states of the shape {shape}"
        except Exception as error:  # A model of another kind may raise anything.
            wrong = " ".join(str(error).split())[:200] or type(error).__name__
        finally:
            encoder.train(mode)
    if wrong:
        raise ValueError(
            "expected an encoder that returns a hidden state for each subword, such as BERT, RoBERTa or ELECTRA, got "
            f"{name} of type {encoder.config.model_type!r} ({wrong}); name another encoder"
        )


def check_kind(config, name: str) -> None:
    """Check that a config is that of a text encoder.

    Raises:
        ValueError: It is not.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"expected an encoder such as BERT, RoBERTa or ELECTRA, got {name} of type {config.model_type!r}, which "
            "has an encoder and a decoder; name an encoder alone"
        )
    if config.model_type.startswith("kospan-"):
        raise ValueError(
            f"expected an encoder, or a model of the recipe's task to train further, got {name} of type "
            f"{config.model_type!r}; save its encoder with model.encoder.save_pretrained(folder) and "
            "model.tokenizer.save_pretrained(folder), and name that folder"
        )
    missing = [key for key in ("hidden_size", "vocab_size") if not isinstance(getattr(config, key, None), int)]
    if missing:
        raise ValueError(
            f"expected an encoder of texts such as BERT, RoBERTa or ELECTRA, got {name} of type "
            f"{config.model_type!r}, whose config has no {missing[0]}; name another encoder"
        )


def _first_layers(options: dict, config) -> dict:
    """Complete the options of an encoder with fewer layers by the type of each layer that is kept."""
    names = {"num_hidden_layers", config.attribute_map.get("num_hidden_layers")} & options.keys()
    for name in names:
        if options[name] > config.num_hidden_layers:
            raise ValueError(
                f"expected encoder_options[{name!r}] to be at most {config.num_hidden_layers}, the encoder's number of "
                f"layers, got {options[name]}; lower it"
            )
    count, types = min((options[name] for name in names), default=None), getattr(config, "layer_types", None)
    return {"layer_types": types[:count], **options} if names and types else options


def _check_layer_types(options: dict, config) -> None:
    """Check that the types of an encoder's layers are as many as its layers, and those that its options ask for."""
    types, every = getattr(config, "layer_types", None), options.get("global_attn_every_n_layers")
    if types and len(types) != config.num_hidden_layers:
        raise ValueError(
            f"expected encoder_options['layer_types'] with a type for each of {config.num_hidden_layers} layers, got "
            f"{len(types)}; correct it"
        )
    if (
        types
        and every is not None
        and types != [f"{'sliding' if at % every else 'full'}_attention" for at in range(len(types))]
    ):
        raise ValueError(
            "expected encoder_options without global_attn_every_n_layers for an encoder whose config lists its "
            f"layer_types, got {every}; set layer_types, or remove it"
        )


# Settings of a config that do not change the computation of the encoder.
_NO_OPTIONS = (
    "model_type",
    "architectures",
    "id2label",
    "label2id",
    "transformers_version",
    "problem_type",
    "encoder_input",
)


def check_encoder_options(options: dict, config, known: dict | None = None) -> dict:
    """Convert `encoder_options` of a recipe to the types of an encoder's config.

    Args:
        options: The settings, by name.
        config: A config of the encoder's type; its values tell names and types.
        known: Names and values of further settings.

    Raises:
        ValueError: A name is unknown, and the message names the nearest one; or a value is impossible.

    >>> check_encoder_options({"hidden_dropout_prob": "3e-1"}, ElectraConfig())
    {'hidden_dropout_prob': 0.3}
    """
    known = {**config.to_dict(), **{name: getattr(config, name) for name in config.attribute_map}, **(known or {})}
    checked = {}
    for name, value in options.items():
        if name not in known or name in _NO_OPTIONS:
            others = [] if name in _NO_OPTIONS else known.keys() - set(_NO_OPTIONS)
            raise ValueError(
                f"expected encoder_options to be settings of the encoder's config ({config.model_type}), got "
                f"{name!r}; {suggestion(name, others, 'remove it')}"
            )
        checked[name] = _option(name, value, known[name])
    activation = checked.get("hidden_act", checked.get("hidden_activation"))
    if activation is not None and activation not in ACT2FN:
        raise ValueError(
            f"expected encoder_options['hidden_act'] to be an activation of transformers, got {activation!r}; "
            f"{suggestion(activation, ACT2FN, 'did you mean gelu?')}"
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
    """Convert a value of an encoder's setting to the type of `example`, a valid value."""
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
            raise ValueError(f"expected encoder_options[{name!r}] to be {wanted}, got {value!r}; correct it") from None
        least = _LEAST.get(name)
        if least is not None and number < least:
            raise ValueError(f"expected encoder_options[{name!r}] to be {least} or more, got {value!r}; correct it")
        if name.endswith(("dropout", "_prob")) and not 0 <= number < 1:
            raise ValueError(f"expected encoder_options[{name!r}] to be from 0 to below 1, got {value!r}; correct it")
        return number
    if kind in (bool, str) and not isinstance(value, kind):
        wanted = "true or false" if kind is bool else "text"
        raise ValueError(f"expected encoder_options[{name!r}] to be {wanted}, got {value!r}; correct it")
    if kind in (list, dict) and not isinstance(value, (kind, type(None))):
        wanted = "a list" if kind is list else "a mapping"
        raise ValueError(f"expected encoder_options[{name!r}] to be {wanted}, got {value!r}; correct it")
    return value


def check_scratch_options(options: dict) -> dict:
    """Check and complete `encoder_options` of an encoder from scratch, as `check_encoder_options` does."""
    check_not_of_tokenizer(options, ("vocab_size", "pad_token_id"))
    return check_encoder_options({**SCRATCH, **options}, ElectraConfig(), {"min_count": 1})


def check_not_of_tokenizer(options: dict, names: Sequence[str]) -> None:
    """Check that `encoder_options` of a model from scratch have none of the settings that its tokenizer gives.

    Raises:
        ValueError: They have one.
    """
    for name in names:
        if name in options:
            raise ValueError(
                f"expected encoder_options without {name} for encoder: scratch, whose tokenizer gives it, got "
                f"{options[name]!r}; remove it"
            )


def load_ours(name: str, **kwargs):
    """Load a model of ours with all of its weights.

    Args:
        name: Folder or Hub name.
        **kwargs: Options of `AutoModel.from_pretrained`.

    Raises:
        ValueError: Weights are cut short, have other shapes or are missing; they would be random.
    """
    with whole_weights(name):
        model, report = AutoModel.from_pretrained(name, output_loading_info=True, **kwargs)
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            f"expected every weight of the model in {name}, got a checkpoint that lacks {len(missing)} of them "
            f"(first: {missing[0]}); copy or download the model again"
        )
    return model


def load_tokenizer(encoder: str):
    """Load the fast tokenizer of an encoder.

    Raises:
        FileNotFoundError: There is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(locate(encoder), use_fast=True, trust_remote_code=False)
    except ValueError as error:
        check_code_of_its_own(error, encoder)
        raise
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
    """Whether a tokenizer only has special tokens; transformers 5 creates such a one if its files are missing."""
    return len(tokenizer) <= len(set(tokenizer.all_special_tokens))


@contextmanager
def whole_weights(name: str | os.PathLike) -> Iterator[None]:
    """Context that explains errors about the weights of a model that is loaded.

    Args:
        name: Folder or Hub name, as errors name it.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Weights are cut short, as by an interrupted copy, or do not fit the config.
    """
    try:
        yield
    except OSError as error:
        raise FileNotFoundError(
            f"expected weights in {name}, found none ({str(error).strip().splitlines()[0]}); copy or download "
            "the model again"
        ) from error
    except SafetensorError as error:
        raise ValueError(
            f"expected whole weights in {name}, got a file that is cut short or is no safetensors ({error}); copy or "
            "download the model again"
        ) from error
    except RuntimeError as error:
        # The library's whole message; it has logged a table of the shapes.
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError(
            f"expected weights in {name} with the shapes that its config.json gives, got others; take config and "
            "weights from one model"
        ) from error


# Errors of transformers about settings that do not fit together.
_UNBUILDABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError)


@contextmanager
def buildable(options: dict) -> Iterator[None]:
    """Context that explains errors of transformers about a model that is built with a recipe's `encoder_options`.

    Raises:
        ValueError: The options do not fit together, or not the type of the encoder.
    """
    try:
        yield
    except (*_UNBUILDABLE, StrictDataclassError) as error:
        if not options or is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"expected encoder_options with which an encoder can be built, got {options} ({type(error).__name__}: "
            f"{reason}); change or remove them"
        ) from error


def character_tokenizer(texts: list[str], min_count: int = 1) -> PreTrainedTokenizerFast:
    """Build a fast tokenizer with a subword per character, the most frequent first.

    Args:
        texts: Texts for the vocabulary.
        min_count: Rarer characters become [UNK], so that its vector is trained.
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
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


def scratch_encoder(texts: list[str], options: dict) -> tuple[ElectraConfig, PreTrainedTokenizerFast]:
    """Build an ELECTRA config (0 or more layers) and a character tokenizer, without weights.

    Args:
        texts: The training texts.
        options: Settings of ElectraConfig; `min_count` belongs to the vocabulary.

    Raises:
        ValueError: As `check_encoder_options`.
    """
    options = check_scratch_options(options)
    tokenizer = character_tokenizer(texts, options.pop("min_count", 1))
    tokenizer.model_max_length = options["max_position_embeddings"]
    return ElectraConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **options), tokenizer


def start_without_positions(encoder) -> None:
    """Set the position and segment embeddings of an encoder from scratch to zero.

    Random ones are as large as the word embeddings, so that half of a character's vector would be noise.
    """
    with torch.no_grad():
        encoder.embeddings.position_embeddings.weight.zero_()
        encoder.embeddings.token_type_embeddings.weight.zero_()


def encoder_parts(recipe: Recipe, texts: list[str]):
    """Return `(config, tokenizer)` of a recipe's encoder."""
    if recipe.encoder == "scratch":
        # Texts as the tokenizer will get them.
        parts_of = (clusters(text, recipe.normalization) for text in texts)
        read = [plain_spaces("".join(part for _, _, part in parts)) for parts in parts_of]
        return scratch_encoder(read, recipe.encoder_options)
    config = load_config(recipe.encoder, recipe.encoder_options)
    check_kind(config, recipe.encoder)
    tokenizer = load_tokenizer(recipe.encoder)
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise ValueError(
            f"expected a tokenizer whose ids are below the encoder's vocab_size {config.vocab_size}, got id "
            f"{highest} beside {recipe.encoder}; use the tokenizer that the encoder was trained with"
        )
    return config, tokenizer
