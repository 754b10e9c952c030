"""A recipe: YAML and flags -> data, model and training settings. Imports neither torch nor transformers."""

import dataclasses
import difflib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from kospan.yaml_file import read_yaml

# Former names of settings, those of transformers 4 among them, and their present ones.
RENAMED = {
    "window": "max_length",
    "max_question": "max_query_length",
    "longest_answer": "max_answer_length",
    "null_answer": "allow_no_answer",
    "unit_shapes": "word_shape_feature",
    "unit_matches": "exact_match_feature",
    "recurrent_size": "lstm_hidden_size",
    "recurrent_layers": "lstm_layers",
    "recurrent_dropout": "lstm_dropout",
    "dropout_samples": "multi_sample_dropout",
    "piece_dropout": "subword_dropout",
    "states_folder": "feature_cache_dir",
    "few_shot_by": "few_shot_strategy",
    "constrained": "constrained_decoding",
    "load_dtype": "dtype",
    "label_kind": "problem_type",
    "train_examples": "max_train_samples",
    "validation_examples": "max_eval_samples",
    "resume": "resume_from_checkpoint",
    "overwrite": "overwrite_output_dir",
    "evaluation_strategy": "eval_strategy",
    "group_by_length": "train_sampling_strategy: group_by_length",
    "warmup_ratio": "warmup_steps (a number below 1 is a share of all steps)",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "max_seq_length": "max_length",
    "doc_stride": "stride",
    "model_name_or_path": "encoder",
    "gradient_checkpointing": "activation_checkpointing",
}

# What a recipe starts from where it says nothing; every other setting has TrainingArguments' own default.
TRAINER_DEFAULTS = {
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 64,
    "learning_rate": 5e-5,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "f1",
    "logging_steps": 50,
    "report_to": "none",
    "disable_tqdm": True,
    "train_sampling_strategy": "group_by_length",
    "seed": 42,
}


class Given(NamedTuple):
    """Where a setting comes from."""

    rank: int  # of the layer that set it (the file, variants of a study, flags), from 1; later ones win
    where: str  # the layer's name in error messages
    empty: bool = False  # whether it was null although the setting takes no null, so that the default is used


def setting(default, text: str, needs: Sequence[str] = (), off=...):
    """A field with its manual entry.

    Args:
        default: The value where nothing is set.
        text: The manual entry.
        needs: Settings without which this one does nothing.
        off: The value that turns it off; the default where it is not given.
    """
    metadata = {"help": text, "needs": tuple(needs), "off": default if off is ... else off}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Recipe:
    """All settings of one run; what is not named here belongs to transformers' TrainingArguments (`trainer`)."""

    name: str = setting("run", "name of the run; names the output folder; default: the file's name")
    task: str = setting(
        "token-classification",
        "what is learnt: tagging (spans by tagging units), reading (answers to questions), classifying (texts) or "
        "writing (entities written out by a causal LM)",
    )
    # data
    dataset: str = setting("sample", "a data set of kospan.data, or hub:NAME for one on the Hub; see the README")
    train_file: str | None = setting(None, "file or folder for training, in the data set's format")
    validation_file: str | None = setting(
        None, "file for validation; without it every eighth item of train_file, from 0"
    )
    max_train_samples: int | None = setting(
        None, "how many examples of the training part are trained on, from its beginning; default: all"
    )
    max_eval_samples: int | None = setting(
        None, "how many examples of the validation part are scored, from its beginning; default: all"
    )
    overlaps: str = setting("error", "overlapping gold spans: error, or longest (keep the longest, count the rest)")
    quoting: str = setting(
        "auto",
        "CSV and TSV files: minimal (quotation marks quote fields, as pandas and Excel write them), none (they are "
        "text) or auto (the way that is valid, an error where both are and differ)",
    )
    token_column: str | None = setting(
        None,
        "files with columns: the tokens' column, a number from 0 (negative: from the end) or a name from a line `# "
        "global.columns`; hub:NAME: its name; default: the first",
    )
    tag_column: str | None = setting(
        None, "the tags' column, in the same way; hub:NAME: the column of tags, spans or labels; default: the last"
    )
    skip_invalid: bool = setting(
        False, "continue without records that cannot be read, and count them; default: the first one is an error"
    )
    problem_type: str | None = setting(
        None,
        "text-classification: class (labels are names) or value (they are numbers); default: value where every label "
        "is written with a point",
    )
    calibration_split: str | None = setting(
        None,
        "what the temperature of confidences is fitted to after training: a split (test), a file, or a share of the "
        "training part that is held back (0.1); none fits nothing",
    )
    # text to subwords
    encoder: str = setting("scratch", "Hub name, folder, package:NAME/FOLDER, or scratch (an ELECTRA without weights)")
    encoder_options: dict = setting({}, "settings of the encoder's config, such as {num_hidden_layers: 2}")
    unit: str | None = setting(None, "what carries a tag: character or word; default: the data set's own unit")
    encoder_input: str = setting("subwords", "units (each unit tokenised by itself) or subwords (ordinary subwords)")
    normalization: str = setting("NFC", "NFC composes text before it is tokenised; none takes it as it is")
    max_length: int | None = setting(
        None, "most positions read at once, special tokens included; default: 512 or the limit"
    )
    stride: int | None = setting(
        None, "overlap of neighbouring windows, in subwords; default: 64, for reading 128 (no answer is longer)"
    )
    word_shape_feature: bool = setting(
        False, "tell the model how each unit is written (capitals, digits, script), for encoders that lower-case"
    )
    exact_match_feature: bool = setting(
        False, "question-answering: tell the model how much of the question stands at each unit"
    )
    max_query_length: int = setting(64, "question-answering: subwords of a question that are read")
    max_answer_length: int = setting(64, "question-answering: most units of an answer; never more than stride subwords")
    allow_no_answer: bool = setting(False, "question-answering: let the model say that a text holds no answer")
    windowed_field: str = setting(
        "text",
        "text-classification: of a pair that does not fit into one window, the field that windows run over: text or "
        "text_pair; the other one is read in full in each window",
    )
    # model
    pooling: str = setting(
        "cls", "text-classification: the state that is scored: cls (the first position's) or mean (of all)"
    )
    scheme: str = setting("BIO", "tag scheme: BIO or BIOES")
    head: str = setting("crf", "what turns states into tags: crf, linear, or positional (attention by position)")
    head_options: dict = setting({}, "the head's own settings")
    lstm_hidden_size: int = setting(0, "LSTM units per direction between encoder and head; 0 turns it off")
    lstm_layers: int = setting(1, "stacked LSTM layers", needs=["lstm_hidden_size"])
    lstm_dropout: float = setting(0.0, "dropout on what enters the LSTM", needs=["lstm_hidden_size"])
    dropout: float = setting(0.1, "dropout before the projection to tags", off=0.0)
    multi_sample_dropout: int = setting(1, "M of multi-sample dropout (Inoue 2019); 1 turns it off")
    dropout_merge: str = setting(
        "mean_logits",
        "mean_logits (one loss on the mean emissions) or mean_loss (mean of M losses)",
        needs=["multi_sample_dropout"],
    )
    constrain: str = setting("decode", "where forbidden tag transitions are banned: none, decode, both", off="none")
    crf_backend: str = setting(
        "kospan", "kospan, or torchcrf to train with pytorch-crf's module; never enters the config"
    )
    freeze_encoder: bool = setting(False, "train only what stands on the encoder, whose states are kept on disk")
    feature_cache_dir: str | None = setting(
        "auto",
        "with freeze_encoder: where the encoder's states are kept, so that it runs once and not in each epoch; auto "
        "is kospan/states in the Hugging Face cache, none keeps nothing; what lies there may be deleted at any time",
        needs=["freeze_encoder"],
        off=None,
    )
    # writing
    instruction: str | None = setting(
        None,
        "generative-ner: what the prompt asks; default: a sentence in the data's language; an empty one leaves it out",
        off="",
    )
    label_descriptions: dict = setting(
        {},
        "generative-ner: what a label marks, for the prompt: {PS: person}; default: what is known about the data set",
        needs=["instruction"],
    )
    few_shot: int = setting(0, "generative-ner: how many training examples the prompt shows")
    few_shot_strategy: str = setting(
        "types",
        "generative-ner: which examples: types (short ones that show most types, always the same, not trained on) or "
        "similar (to each text those most like it, out of up to 1,000 that are kept in the model; Liu et al. 2022)",
        needs=["few_shot"],
    )
    constrained_decoding: bool = setting(
        True, "generative-ner: let the model write only replies of the grammar, with surfaces that stand in the text"
    )
    max_new_tokens: int | None = setting(
        None,
        "generative-ner: most subwords of a reply, its end included; default: a quarter more than training's longest",
    )
    dtype: str = setting(
        "float32", "generative-ner: what the causal LM's weights are loaded as: float32, bfloat16, float16"
    )
    load_bits: int | None = setting(
        None, "generative-ner: load the causal LM's weights in 8 or 4 bits by bitsandbytes (with lora_rank)"
    )
    device_map: str | None = setting(
        None, "generative-ner: auto spreads the causal LM over the GPUs; default: one device"
    )
    packing: bool = setting(
        False,
        "generative-ner: train on rows of several windows, none of which sees another; rows of window positions, "
        "2,048 where it is not set; per_device_train_batch_size then counts rows",
    )
    # adapters
    lora_rank: int = setting(
        0, "rank of the low-rank adapters (LoRA, Hu et al. 2021: r) that are trained in place of the encoder; 0: none"
    )
    lora_alpha: float = setting(
        32.0, "alpha of LoRA; the adapters' output is scaled by alpha / rank", needs=["lora_rank"]
    )
    lora_dropout: float = setting(0.05, "dropout on what enters the adapters", needs=["lora_rank"], off=0.0)
    lora_targets: str = setting(
        "all-linear",
        "layers with adapters: all-linear, attention-mlp (linear layers of the encoder's blocks alone), or ends of "
        "their names as peft takes them, with commas: query,value",
        needs=["lora_rank"],
    )
    lora_rslora: bool = setting(
        False, "scale by alpha / sqrt(rank) instead (rsLoRA, Kalajdzievski 2023)", needs=["lora_rank"]
    )
    lora_dora: bool = setting(
        False, "train direction and length of the weights apart (DoRA, Liu et al. 2024)", needs=["lora_rank"]
    )
    # training techniques
    learning_rates: dict = setting({}, "rate or factor (16x) by name fragment: {encoder: 3e-5, head: 1e-3}")
    fgm_epsilon: float = setting(0.0, "size of FGM's perturbation (Miyato et al. 2017: epsilon); 0 turns it off")
    fgm_space: str = setting(
        "activation",
        "what FGM perturbs: activation (per example) or parameter (the whole table)",
        needs=["fgm_epsilon"],
    )
    fgm_lambda: float = setting(1.0, "weight of the adversarial loss", needs=["fgm_epsilon"])
    rdrop_alpha: float = setting(0.0, "weight of R-Drop's divergence, half the symmetric KL per unit; 0 turns it off")
    rdrop_level: str = setting(
        "token", "between what: token (softmax), marginal (CRF marginals), sequence (exact)", needs=["rdrop_alpha"]
    )
    rdrop_on: str = setting(
        "clean", "with FGM: clean (R-Drop on the clean pass only) or both", needs=["rdrop_alpha", "fgm_epsilon"]
    )
    subword_dropout: float = setting(
        0.0, "share of subwords shown as the unknown token while training (Iyyer et al. 2015); 0 turns it off"
    )
    validation_loss: bool = setting(
        False, "also compute the loss on the validation part in each evaluation (eval_loss)"
    )
    early_stopping_patience: int = setting(
        0,
        "evaluations without a better score before training stops; 0 turns it off",
        needs=["eval_strategy"],
    )
    # the run
    resume_from_checkpoint: bool = setting(False, "go on from the last checkpoint in output_dir")
    overwrite_output_dir: bool = setting(False, "replace what output_dir holds")
    trainer: dict = setting({}, "everything else, as transformers' TrainingArguments take it")
    given: dict[str, Given] = field(default_factory=dict, compare=False, repr=False)

    def flat(self) -> dict:
        """All settings in one dict, those of TrainingArguments among them."""
        settings = dataclasses.asdict(self)
        del settings["given"]
        return settings | settings.pop("trainer")

    @property
    def output_dir(self) -> str:
        """Where the run's files go."""
        return self.trainer["output_dir"]

    def metric_names(self, scores: list[str]) -> list[str]:
        """The names of all that an evaluation gives, scores and, where it is asked for, the loss."""
        return [*scores, "loss"] if self.validation_loss else scores


FIELDS = {entry.name: entry for entry in dataclasses.fields(Recipe) if entry.name not in ("trainer", "given")}


def load_recipe(
    path: str | os.PathLike | None = None, flags: dict | None = None, layers: Sequence[tuple[str, dict]] = ()
) -> Recipe:
    """A recipe from a YAML file with flat keys, flags winning over the file.

    Whether all settings are used depends on the task; `kospan.tasks.unused_settings` checks it.

    Args:
        path: The YAML file; None starts from the defaults.
        flags: Settings that win over the file's.
        layers: Further settings between file and flags, each with its name in error messages; later ones win.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no mapping, a key is misspelt, or a value cannot be read as what its key takes.
    """
    settings: dict = {}
    if path is not None:
        path = Path(path)
        settings = read_yaml(path, "recipe", "recipes/")
        if not isinstance(settings, dict):
            raise ValueError(f"{path}: expected flat `key: value` lines, got a {type(settings).__name__}")
        settings.setdefault("name", path.stem)
    own, trainer, given = {}, dict(TRAINER_DEFAULTS), {}
    for rank, (where, part) in enumerate([(str(path), settings), *layers, ("flags", flags or {})], 1):
        empty = {key for key, value in part.items() if value is None and not takes_null(key)}
        own = {key: value for key, value in own.items() if key not in empty}
        own |= {key: cast(key, value, where) for key, value in part.items() if key in FIELDS and key not in empty}
        rest = {key: value for key, value in part.items() if key not in FIELDS}
        check_names(rest, where)
        trainer |= rest
        given |= {key: Given(rank, where, key in empty) for key in part}
    where = "recipe with its flags" if path and flags else str(path or "flags")
    recipe = Recipe(**own, given=given)
    trainer.setdefault("output_dir", os.path.join("outputs", recipe.name))
    trainer.setdefault("run_name", recipe.name)
    recipe.trainer = trainer
    for key, choices in _CHOICES.items():
        if getattr(recipe, key) not in choices:
            names = ", ".join(str(choice) for choice in choices if choice is not None)
            raise ValueError(f"{where}: expected {key} to be one of {names}, got {getattr(recipe, key)!r}")
    check_ranges({key: getattr(recipe, key) for key in FIELDS}, where)
    return recipe


_CHOICES = {
    "overlaps": ("error", "longest"),
    "fgm_space": ("activation", "parameter"),
    "rdrop_level": ("token", "marginal", "sequence"),
    "rdrop_on": ("clean", "both"),
    "crf_backend": ("kospan", "torchcrf"),
    "problem_type": (None, "single_label_classification", "regression"),
    "quoting": ("auto", "minimal", "none"),
    "pooling": ("cls", "mean"),
    "windowed_field": ("text", "text_pair"),
    "few_shot_strategy": ("types", "similar"),
    "dtype": ("float32", "bfloat16", "float16"),
    "load_bits": (None, 8, 4),
    "device_map": (None, "auto"),
}


# The least that a number may be, and the first that is too much.
_RANGES = {
    **dict.fromkeys(("lstm_hidden_size", "early_stopping_patience", "stride", "lora_rank", "few_shot"), (0, math.inf)),
    **dict.fromkeys(("lstm_layers", "multi_sample_dropout", "max_length"), (1, math.inf)),
    **dict.fromkeys(("max_train_samples", "max_eval_samples"), (1, math.inf)),
    "max_new_tokens": (3, math.inf),
    **dict.fromkeys(("dropout", "lstm_dropout", "subword_dropout", "lora_dropout"), (0, 1)),
    **dict.fromkeys(("fgm_epsilon", "fgm_lambda", "rdrop_alpha", "lora_alpha"), (0, math.inf)),
    # TrainingArguments takes any number here; what is outside fails after minutes, or trains towards nothing.
    **dict.fromkeys(("learning_rate", "weight_decay", "max_grad_norm", "num_train_epochs"), (0, math.inf)),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), (1, math.inf)),
    **dict.fromkeys(("gradient_accumulation_steps",), (1, math.inf)),
}


def check_ranges(settings: dict, where: str = "recipe") -> None:
    """Raises: ValueError where a number is out of its setting's range, infinite or not a number at all.

    Args:
        settings: Values by key; what is None, or has no range, is passed over.
        where: What errors begin with.
    """
    for key, (least, most) in _RANGES.items():
        value = settings.get(key)
        if value is None or least <= value < most:
            continue
        reach = f"of {least} or more" if most == math.inf else f"from {least} to below {most}"
        raise ValueError(f"{where}: expected {key} to be a number {reach}, got {value!r}; mend it, or take it out")


def default_of(key: str):
    """The value where nothing is set; None for what TrainingArguments decide."""
    if key in FIELDS:
        entry = FIELDS[key]
        return {} if entry.default is dataclasses.MISSING else entry.default
    return TRAINER_DEFAULTS.get(key)


def takes_null(key: str) -> bool:
    """Whether null is a value of a setting; TrainingArguments decide about their own."""
    return key not in FIELDS or type(None) in getattr(FIELDS[key].type, "__args__", ())


def cast(key: str, value, where: str = "recipe"):
    """A value as its key takes it: YAML reads `3e-5` as a str, and flags are all str.

    Raises: ValueError where it cannot be read so.
    """
    kind = FIELDS[key].type
    kinds = getattr(kind, "__args__", (kind,))
    if value is None or (isinstance(value, str) and value.lower() in ("none", "null") and type(None) in kinds):
        if type(None) in kinds:
            return None
        raise ValueError(f"{where}: expected a value for {key}, got none; take the line out to use the default")
    try:
        if dict in kinds:
            mapping = yaml.safe_load(value) if isinstance(value, str) else value
            if not isinstance(mapping, dict):
                raise ValueError("no mapping")
            return mapping
        if bool in kinds:
            return _as_bool(value)
        for number in (int, float):
            if number in kinds:
                if isinstance(value, bool):
                    raise ValueError("a truth value")
                if number is int and float(value) != int(float(value)):
                    raise ValueError("a fraction")
                return number(float(value))
        if isinstance(value, (bool, list, dict)):
            raise ValueError("no text")
        return str(value)
    except (ValueError, TypeError, OverflowError, yaml.YAMLError) as error:
        names = " or ".join(each.__name__ for each in kinds if each is not type(None))
        raise ValueError(f"{where}: expected {key} to be a {names}, got {value!r}") from error


def _as_bool(value) -> bool:
    if isinstance(value, bool):
        return value
    lowered = str(value).lower()
    if lowered in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return lowered in ("true", "yes", "on", "1")
    raise ValueError(f"no truth value: {value!r}")


def check_names(settings: dict, where: str = "recipe") -> None:
    """Raises: ValueError naming the nearest right key where one is neither ours nor TrainingArguments'."""
    unknown = [key for key in settings if key not in TRAINER_DEFAULTS and key != "output_dir"]
    if not unknown:
        return
    known = trainer_fields()
    for key in unknown:
        if key not in known:
            hint = RENAMED.get(key) or nearest_key(str(key), [*FIELDS, *known])
            advice = f"; did you mean {hint}?" if hint else "; --help and --help-trainer list all keys"
            raise ValueError(f"{where}: expected only known keys, got {key!r}{advice}")


def nearest_key(key: str, known: list[str]) -> str | None:
    """The known key that a misspelt or shortened one most likely stands for; None where none is near.

    >>> nearest_key("epochs", ["num_train_epochs"]), nearest_key("class_weights", ["load_bits", "weight_decay"])
    ('num_train_epochs', None)
    """
    close = difflib.get_close_matches(key, known, 1, 0.7)
    words = set(key.lower().split("_"))
    return next(iter(close), None) or next((name for name in known if words <= set(name.split("_"))), None)


def trainer_fields() -> dict[str, str]:
    """Names of TrainingArguments' settings with their manual entries. Imports transformers."""
    from transformers import TrainingArguments

    return {entry.name: entry.metadata.get("help", "") for entry in dataclasses.fields(TrainingArguments) if entry.init}


def save_recipe(recipe: Recipe, path: str | os.PathLike) -> None:
    """Writes the recipe with every setting it was run with, flat, so that it can be run again."""
    settings = recipe.flat()
    for key in ("resume_from_checkpoint", "overwrite_output_dir", "hub_token"):
        settings.pop(key, None)
    temporary = Path(f"{path}.tmp")
    temporary.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    temporary.replace(path)
