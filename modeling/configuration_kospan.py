"""Configs of encoder models: how text becomes subwords, the layers on the encoder, and the labels."""

import copy
import inspect
import math

from transformers import AutoConfig, PretrainedConfig

# transformers 4.51 copies from a folder only what this file names itself.
from .alignment import UNITS  # noqa: F401
from .character_ngrams import CharacterNgrams  # noqa: F401
from .settings import FORMER_MODEL_TYPES, check_model_type, choice, taken_from
from .tags import SCHEMES  # noqa: F401
from .word_shapes import SHAPES  # noqa: F401
from .words import WORD_SPLITTINGS  # noqa: F401

# Keys of an encoder's config that name the machine it was saved on, or ask for remote code.
_PRIVATE_KEYS = ("_name_or_path", "trust_remote_code", "auto_map", "custom_pipelines")
# Other names of transformers for the tasks of its pipelines.
_ALIASES = {"ner": "token-classification", "sentiment-analysis": "text-classification"}


class PipelineTasks(dict):
    """A config's `custom_pipelines`, which also holds transformers' other names of its tasks.

    With one entry `pipeline(model=folder)` infers the task; without the other names these would give the stock
    pipeline.

    >>> tasks = PipelineTasks({"token-classification": "ours"})
    >>> "ner" in tasks, tasks["ner"], len(tasks)
    (True, 'ours', 1)
    """

    def __contains__(self, task) -> bool:
        return super().__contains__(_ALIASES.get(task, task))

    def __missing__(self, task):
        if task not in self:
            raise KeyError(task)
        return self[_ALIASES[task]]


class KospanConfig(PretrainedConfig):
    """Settings that all encoder models have in common.

    Args:
        encoder_config: The encoder's own config, as an object or as a dict with `model_type`.
        unit: What carries a tag: "character" or "word".
        encoder_input: "units" (each unit tokenised by itself) or "subwords" (ordinary subwords of the whole text).
        normalization: "NFC" composes text before it is tokenised; "none" takes it as it is.
        word_splitting: With `unit="word"`, how a raw text becomes words: "punctuation" splits punctuation and clitics
            from their edges (`split_words` in `words.py`), as in every model that a recipe builds; "white_space" splits
            at white space alone. A list of words is taken as it is.
        max_length: Most positions of a window, special tokens included.
        stride: Overlap of neighbouring windows in subwords.
        calibration_temperature: Divides all scores when probabilities are reported; 1.0 turns it off; training resets
            it to 1.0.

    Attributes:
        adjustable: Settings that further training may change; all others are fixed with the model.
    """

    model_type = "kospan"
    # Declared, so that transformers does not take it for a setting of text generation.
    max_length: int = 512
    sub_configs = {"encoder_config": AutoConfig}
    adjustable: tuple[str, ...] = ()
    is_composition = True
    has_no_defaults_at_init = True
    keys_to_ignore_at_inference = ["emissions", "hidden_states", "attentions"]

    def __init__(
        self,
        encoder_config=None,
        unit: str = "character",
        encoder_input: str = "subwords",
        normalization: str = "NFC",
        # Models saved before the setting existed split text at white space.
        word_splitting: str = "white_space",
        max_length: int = 512,
        stride: int = 64,
        calibration_temperature: float = 1.0,
        **kwargs,
    ):
        if isinstance(encoder_config, dict):
            settings = dict(encoder_config)
            model_type = settings.pop("model_type", None)
            if not model_type:
                raise ValueError(
                    "expected encoder_config to name its model_type (such as 'electra'), got none; pass "
                    "AutoConfig.from_pretrained(encoder) or add the key"
                )
            encoder_config = AutoConfig.for_model(model_type, **settings)
        self.encoder_config = encoder_config
        self.unit = choice("unit", unit)
        self.encoder_input = choice("encoder_input", encoder_input)
        self.normalization = choice("normalization", normalization)
        self.word_splitting = choice("word_splitting", word_splitting)
        self.stride = int(stride)
        self.calibration_temperature = float(calibration_temperature)
        if kwargs.get("custom_pipelines"):
            kwargs["custom_pipelines"] = PipelineTasks(kwargs["custom_pipelines"])
        super().__init__(**kwargs)
        # Older versions of transformers set a default of their own for text generation.
        self.max_length = int(max_length)

    @classmethod
    def settings(cls) -> dict[str, object]:
        """Return names and defaults of the settings, from the signatures of the class and its bases."""
        found = {}
        for base in reversed([base for base in cls.__mro__ if issubclass(base, KospanConfig)]):
            for parameter in inspect.signature(base.__init__).parameters.values():
                if parameter.default is not parameter.empty:
                    found[parameter.name] = parameter.default
        return found

    @classmethod
    def from_recipe(cls, recipe, **decided):
        """Build the config of a new model.

        Args:
            recipe: An object with settings as attributes; where one is None, the config's default holds.
            **decided: Settings that data and encoder decide; they win over the recipe.
        """
        return cls(**taken_from(recipe, cls.settings()) | decided)

    @property
    def hidden_size(self) -> int:
        """Width of the encoder's hidden states."""
        return self.encoder_config.hidden_size

    def to_dict(self) -> dict:
        """Return the settings for JSON, without paths of this machine and without remote code of the encoder."""
        output = super().to_dict()
        nested = output.get("encoder_config")
        if nested is not None:
            nested = copy.deepcopy(nested if isinstance(nested, dict) else nested.to_dict())
            output["encoder_config"] = {key: value for key, value in nested.items() if key not in _PRIVATE_KEYS}
        return output


class KospanTokenClassificationConfig(KospanConfig):
    """Settings of a `KospanForTokenClassification`; `id2label` holds the tags, from which the labels follow.

    Args:
        encoder_config: See `KospanConfig`; `**kwargs` takes its other settings and those of transformers' configs.
        scheme: Tag scheme: "BIO" or "BIOES".
        head: Name of the head in `HEADS`.
        head_options: The head's own settings, checked by the head.
        lstm_hidden_size: LSTM units per direction between encoder and head; 0 turns it off.
        lstm_layers: Stacked LSTM layers.
        lstm_dropout: Dropout on the input of the LSTM (and between its layers).
        dropout: Dropout before the projection to tags.
        multi_sample_dropout: M, the masks of multi-sample dropout in training; 1 turns it off.
        dropout_merge: "mean_logits" (one loss on the mean of M emissions) or "mean_loss" (the mean of M losses).
        constrain: Where forbidden transitions are banned: "none", "decode" or "both" (also in the likelihood).
        places: Places of a character inside its subword that have an embedding of their own; used with
            `unit="character"` and `encoder_input="subwords"`.
        word_shape_feature: Whether an embedding of the unit's shape (capitals, digits, script; the caps feature of
            Collobert et al. 2011) is added to its hidden state.
        ngram_vectors: Name of the file with the vectors of character n-grams whose projection is added to the
            characters' hidden states (Zhang and Yang 2018 for bigrams); None if there are none.
        ngram_count: Number of n-grams with a vector; the n-grams are in `character_ngrams.txt`.
        ngram_size: Size of these vectors.
        longest_ngram: Characters of the longest n-gram.
        ngram_dropout: Dropout on the vectors.
        subword_embedding_size: Width of an embedding of each unit's subword that is concatenated with its hidden state;
            0 turns it off.
        operating_points: Settings of the decoding by name, see `extract`; `kospan calibrate --recall` writes them.
    """

    model_type = "kospan-token-classification"
    adjustable = ("dropout", "multi_sample_dropout", "dropout_merge", "lstm_dropout", "constrain", "ngram_dropout")
    _auto_class = "AutoConfig"

    def __init__(
        self,
        encoder_config=None,
        scheme: str = "BIO",
        head: str = "crf",
        head_options: dict | None = None,
        lstm_hidden_size: int = 0,
        lstm_layers: int = 1,
        lstm_dropout: float = 0.0,
        dropout: float = 0.1,
        multi_sample_dropout: int = 1,
        dropout_merge: str = "mean_logits",
        constrain: str = "decode",
        places: int = 16,
        word_shape_feature: bool = False,
        ngram_vectors: str | None = None,
        ngram_count: int = 0,
        ngram_size: int = 0,
        longest_ngram: int = 0,
        ngram_dropout: float = 0.2,
        subword_embedding_size: int = 0,
        operating_points: dict | None = None,
        **kwargs,
    ):
        self.scheme = choice("scheme", scheme)
        self.head = head
        self.head_options = dict(head_options or {})
        self.lstm_hidden_size, self.lstm_layers = int(lstm_hidden_size), int(lstm_layers)
        self.lstm_dropout, self.dropout = float(lstm_dropout), float(dropout)
        self.multi_sample_dropout = int(multi_sample_dropout)
        self.dropout_merge = choice("dropout_merge", dropout_merge)
        self.constrain = choice("constrain", constrain)
        self.places, self.word_shape_feature = int(places), bool(word_shape_feature)
        self.ngram_vectors = ngram_vectors
        self.ngram_count, self.ngram_size = int(ngram_count), int(ngram_size)
        self.longest_ngram, self.ngram_dropout = int(longest_ngram), float(ngram_dropout)
        self.subword_embedding_size = int(subword_embedding_size)
        self.operating_points = dict(operating_points or {})
        if self.multi_sample_dropout < 1:
            raise ValueError(f"expected multi_sample_dropout of 1 (off) or more, got {multi_sample_dropout}")
        super().__init__(encoder_config=encoder_config, **kwargs)

    @property
    def tags(self) -> list[str]:
        """Tag names by id."""
        return [self.id2label[at] for at in range(len(self.id2label))]

    @property
    def uses_places(self) -> bool:
        """Whether the model gets a unit's place inside its subword."""
        return self.unit == "character" and self.encoder_input == "subwords"


class KospanQuestionAnsweringConfig(KospanConfig):
    """Settings of a `KospanForQuestionAnswering`.

    Args:
        encoder_config: See `KospanConfig`; `**kwargs` takes its other settings and those of transformers' configs.
        max_query_length: Most subwords of a question; a longer one is cut.
        max_answer_length: Most units of an answer; none is longer than the overlap of two windows (`stride`) either.
        allow_no_answer: Whether "no answer" is a candidate, for data with unanswerable questions.
        exact_match_feature: Whether an embedding of how much of the question occurs at each unit is added.
        trim_particles: Whether a Korean particle at an answer's end is cut off, see `particles.py`.
        threshold: Least probability of an answer, unless a call sets another; 0 keeps all.
        lstm_hidden_size: LSTM units per direction between encoder and scores; 0 turns it off.
        lstm_layers: Stacked LSTM layers.
        lstm_dropout: Dropout on the input of the LSTM.
        dropout: Dropout before the projection to scores.
        multi_sample_dropout: M, the masks of multi-sample dropout in training; 1 turns it off.
        places: Places of a character inside its subword that have an embedding of their own, see
            `KospanTokenClassificationConfig`.
    """

    model_type = "kospan-question-answering"
    adjustable = (
        *("dropout", "multi_sample_dropout", "lstm_dropout"),
        *("max_query_length", "max_answer_length", "allow_no_answer"),
    )
    _auto_class = "AutoConfig"

    def __init__(
        self,
        encoder_config=None,
        max_length: int = 384,
        stride: int = 128,
        max_query_length: int = 64,
        max_answer_length: int = 64,
        allow_no_answer: bool = False,
        exact_match_feature: bool = False,
        trim_particles: bool = False,
        threshold: float = 0.0,
        lstm_hidden_size: int = 0,
        lstm_layers: int = 1,
        lstm_dropout: float = 0.0,
        dropout: float = 0.1,
        multi_sample_dropout: int = 1,
        places: int = 16,
        **kwargs,
    ):
        self.max_query_length, self.max_answer_length = int(max_query_length), int(max_answer_length)
        self.allow_no_answer, self.exact_match_feature = bool(allow_no_answer), bool(exact_match_feature)
        self.trim_particles, self.threshold = bool(trim_particles), float(threshold)
        self.lstm_hidden_size, self.lstm_layers = int(lstm_hidden_size), int(lstm_layers)
        self.lstm_dropout = float(lstm_dropout)
        self.dropout, self.multi_sample_dropout, self.places = float(dropout), int(multi_sample_dropout), int(places)
        for name in ("max_query_length", "max_answer_length", "multi_sample_dropout", "stride"):
            value = stride if name == "stride" else getattr(self, name)
            if int(value) < 1:
                raise ValueError(f"expected {name} of 1 or more, got {value}; remove it to use the default")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"expected threshold to be a number from 0 to 1, got {threshold!r}; 0 keeps every answer")
        kwargs.setdefault("id2label", {0: "answer"})
        kwargs["id2label"] = {int(at): label for at, label in kwargs["id2label"].items()}
        kwargs.setdefault("label2id", {label: at for at, label in kwargs["id2label"].items()})
        super().__init__(encoder_config=encoder_config, max_length=max_length, stride=stride, **kwargs)

    @property
    def uses_places(self) -> bool:
        """Whether the model gets a unit's place inside its subword."""
        return self.unit == "character" and self.encoder_input == "subwords"


class KospanSequenceClassificationConfig(KospanConfig):
    """Settings of a `KospanForSequenceClassification`; `id2label` holds the classes, or the one name of a value.

    Args:
        encoder_config: See `KospanConfig`; `**kwargs` takes its other settings and those of transformers' configs.
        problem_type: "single_label_classification" (one of several classes) or "regression" (a real value).
        pairs: Whether two texts are read together, in the order of `tokenizer(text, text_pair)`.
        windowed_field: Of a pair that does not fit into one window, the field that windows run over: "text" or
            "text_pair". The other one is read in full in each window.
        pooling: Hidden state that is scored: "cls" (of the first position) or "mean" (of all positions).
        value_mean: Mean of the values in training; an output of 0 means this value.
        value_spread: Standard deviation of the values in training; the unit of the output.
        dropout: Dropout before the projection to scores.
        multi_sample_dropout: M, the masks of multi-sample dropout in training; 1 turns it off.
    """

    model_type = "kospan-sequence-classification"
    adjustable = ("dropout", "multi_sample_dropout")
    _auto_class = "AutoConfig"

    def __init__(
        self,
        encoder_config=None,
        problem_type: str = "single_label_classification",
        pairs: bool = False,
        windowed_field: str = "text",
        pooling: str = "cls",
        value_mean: float = 0.0,
        value_spread: float = 1.0,
        dropout: float = 0.1,
        multi_sample_dropout: int = 1,
        **kwargs,
    ):
        problem_type = choice("problem_type", problem_type)
        self.pooling = choice("pooling", pooling)
        self.pairs = bool(pairs)
        self.windowed_field = choice("windowed_field", windowed_field)
        # Earlier models of pairs have this key.
        if kwargs.pop("max_query_length", None) is not None and self.pairs:
            raise ValueError(
                "expected a model of pairs that reads the text first, got one of an earlier version, which was "
                "trained with text_pair before text (max_query_length in config.json); train it again"
            )
        self.value_mean, self.value_spread = float(value_mean), float(value_spread)
        self.dropout, self.multi_sample_dropout = float(dropout), int(multi_sample_dropout)
        if self.multi_sample_dropout < 1:
            raise ValueError(f"expected multi_sample_dropout of 1 (off) or more, got {multi_sample_dropout}")
        if not 0 < self.value_spread < math.inf or not math.isfinite(self.value_mean):
            raise ValueError(
                f"expected a finite value_mean and a value_spread above 0, got {value_mean} and {value_spread}; "
                "remove them to use 0 and 1"
            )
        if problem_type == "regression":
            kwargs.setdefault("id2label", {0: "value"})
        if kwargs.get("id2label"):
            kwargs["id2label"] = {int(at): label for at, label in kwargs["id2label"].items()}
            kwargs.setdefault("label2id", {label: at for at, label in kwargs["id2label"].items()})
        super().__init__(encoder_config=encoder_config, problem_type=problem_type, **kwargs)
        if problem_type == "regression" and len(self.id2label) != 1:
            raise ValueError(
                f"expected one label, the value's name, for problem_type: regression, got {len(self.id2label)}; set "
                "problem_type: single_label_classification for classes"
            )

    @property
    def classes(self) -> list[str]:
        """Names of the classes by id; for regression the name of the value."""
        return [self.id2label[at] for at in range(len(self.id2label))]


def former_configs() -> list[type[PretrainedConfig]]:
    """Return a config class for each model type of earlier versions; using one raises an error."""

    def refuse(self, **kwargs):
        check_model_type(type(self).model_type, "config.json")

    return [
        type("FormerConfig", (PretrainedConfig,), {"model_type": model_type, "__init__": refuse})
        for model_type in FORMER_MODEL_TYPES
    ]
