"""Names of the parameters of BERT-class encoders and their names in BigBird, as a table of pairs.

BigBird's encoder has BERT's names inside, so most pairs differ in their prefix alone. The tables of positions and of
segments are in the list as well: they keep their names and change their rows (see `bigbird.py`).
"""

from typing import NamedTuple


def _both(*layers: str) -> tuple[str, ...]:
    """Names of the weight and the bias of each layer."""
    return tuple(f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias"))


POSITIONS, SEGMENTS = "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"
_EMBEDDINGS = ("embeddings.word_embeddings.weight", POSITIONS, SEGMENTS, *_both("embeddings.LayerNorm"))
# `{layer}` counts from 0.
_LAYER = _both(
    *(f"encoder.layer.{{layer}}.attention.{part}" for part in ("self.query", "self.key", "self.value")),
    *(f"encoder.layer.{{layer}}.attention.output.{part}" for part in ("dense", "LayerNorm")),
    *(f"encoder.layer.{{layer}}.{part}" for part in ("intermediate.dense", "output.dense", "output.LayerNorm")),
)
# Source's name, BigBird's name. ELECTRA has no pooler.
_POOLER = (("pooler.dense.weight", "pooler.weight"), ("pooler.dense.bias", "pooler.bias"))
BIGBIRD_PREFIX = "bert."
# Names of the parts of BigBird's masked-language-model head. Those of the decoder are stored only if they are separate
# parameters, or as a copy by older versions.
HEAD_NAMES = (
    *_both("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
    *("cls.predictions.bias", *_both("cls.predictions.decoder")),
)
# A checkpoint whose head is tied to its words may lack the last two.
OPTIONAL = HEAD_NAMES[5:]


class EncoderFamily(NamedTuple):
    """An encoder architecture that fits into BigBird.

    Args:
        prefix: Prefix of the encoder's names in a checkpoint with a head.
        head: The source's names for `HEAD_NAMES`, in that order; "" where it has none.
        head_activation: Activation of the head regardless of the config; None if it is the config's.
        shifted: Whether positions are counted from after the padding id, so that the first rows are unused.
    """

    prefix: str
    head: tuple[str, ...]
    head_activation: str | None
    shifted: bool


_ROBERTA = EncoderFamily(
    "roberta.",
    (*_both("lm_head.dense", "lm_head.layer_norm"), "lm_head.bias", *_both("lm_head.decoder")),
    "gelu",
    True,
)
_ELECTRA = EncoderFamily(
    "electra.",
    (
        *_both("generator_predictions.dense", "generator_predictions.LayerNorm"),
        *("generator_lm_head.bias", "generator_lm_head.weight", ""),
    ),
    "gelu",
    False,
)
# By `model_type`. XLM-RoBERTa and CamemBERT are RoBERTa with another vocabulary.
FAMILIES: dict[str, EncoderFamily] = {
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "bert": EncoderFamily("bert.", HEAD_NAMES, None, False),
    "electra": _ELECTRA,
}
# Encoders without a table of positions to extend.
RELATIVE = ("deberta", "deberta-v2", "mpnet", "t5", "mt5", "umt5", "xlnet", "modernbert", "roformer", "esm")


class Spelling(NamedTuple):
    """Spelling of the names in one checkpoint.

    Args:
        prefix: Prefix of the encoder's names; "" without a head.
        old_norms: Whether norms are called `gamma` and `beta`, as TensorFlow's were.
    """

    prefix: str
    old_norms: bool


def detect_spelling(model_type: str, names: list[str]) -> Spelling:
    """Return the spelling of the names in a checkpoint.

    >>> detect_spelling("bert", ["bert.embeddings.LayerNorm.gamma", "cls.predictions.bias"])
    Names(prefix='bert.', old_norms=True)
    """
    prefix = FAMILIES[model_type].prefix
    return Spelling(
        prefix if any(name.startswith(prefix) for name in names) else "",
        any(name.endswith("LayerNorm.gamma") for name in names),
    )


def name_pairs(model_type: str, layers: int, names: Spelling, head: bool) -> list[tuple[str, str]]:
    """Return every name of a source checkpoint and its name in BigBird, without duplicates on either side.

    Args:
        model_type: A name of `FAMILIES`.
        layers: Layers of the encoder.
        names: Spelling of the names in the source.
        head: Whether the masked-language-model head is converted, which gives BigBird's names their prefix.

    >>> name_pairs("roberta", 12, Spelling("roberta.", False), head=False)[-2:]
    [('roberta.pooler.dense.weight', 'pooler.weight'), ('roberta.pooler.dense.bias', 'pooler.bias')]
    """
    kind, to = FAMILIES[model_type], BIGBIRD_PREFIX if head else ""
    inner = list(_EMBEDDINGS) + [name.format(layer=layer) for layer in range(layers) for name in _LAYER]
    found = [(names.prefix + name, to + name) for name in inner]
    if model_type != "electra":
        found += [(names.prefix + source, to + target) for source, target in _POOLER]
    if head:
        found += [(source, target) for source, target in zip(kind.head, HEAD_NAMES) if source]
    if names.old_norms:
        return [(_old_norm(source), target) for source, target in found]
    return found


def _old_norm(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
