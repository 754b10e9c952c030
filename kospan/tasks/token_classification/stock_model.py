"""Stock token-classification models of transformers, for comparison."""

from collections.abc import Sequence

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from kospan.data.tagged import clean_tag
from kospan.modeling.code_files import check_safetensors
from kospan.modeling.spans import Span, keep_longest
from kospan.modeling.words import document_text, trimmed
from kospan.tasks.encoders import knows_nothing, whole_weights

AGGREGATIONS = ("simple", "first", "average", "max")


class StockModel:
    """A `...ForTokenClassification` of transformers with its own pipeline, which decodes subword by subword.

    Args:
        name: Folder or Hub name.
        aggregation: How the pipeline joins subwords to entities: "simple" joins subwords of one type; "first",
            "average" and "max" decide word by word, for models trained on the first subword of a word.

    Raises:
        ValueError: The tokenizer gives no offsets, `aggregation` is unknown, or a folder holds weights only as
            pickles.
        OSError: A file is missing, possibly of the tokenizer.
    """

    def __init__(self, name: str, aggregation: str = "simple"):
        if aggregation not in AGGREGATIONS:
            raise ValueError(f"expected aggregation to be one of {', '.join(AGGREGATIONS)}, got {aggregation!r}")
        check_safetensors(name)
        safe = {"use_safetensors": True, "trust_remote_code": False}
        with whole_weights(name):
            model = AutoModelForTokenClassification.from_pretrained(name, dtype=torch.float32, **safe).eval()
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        if knows_nothing(tokenizer):
            raise FileNotFoundError(
                f"expected a tokenizer beside the model {name!r}, found none or one without words; save it there "
                "with tokenizer.save_pretrained(folder)"
            )
        if not tokenizer.is_fast:
            raise ValueError(
                f"expected a fast tokenizer in {name}, got {type(tokenizer).__name__}, which gives no offsets; save "
                "tokenizer.json beside the model"
            )
        limit = getattr(model.config, "max_position_embeddings", None) or 512
        # Some tokenizers have 1e30; and RoBERTa's first two positions hold no subword.
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit - 2)
        self.config, self.name = model.config, name
        # Labels of data have one spelling.
        model.config.id2label = {at: clean_tag(tag) for at, tag in model.config.id2label.items()}
        self.labels = sorted({_type_of(tag) for tag in model.config.id2label.values()} - {"O"})
        # The pipeline only knows B- and I-, and would treat E-PS as a type of its own.
        model.config.id2label = {at: _as_bio(tag) for at, tag in model.config.id2label.items()}
        self._pipe = pipeline(
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            aggregation_strategy=aggregation,
            stride=max(1, tokenizer.model_max_length // 4),
            device=0 if torch.cuda.is_available() else -1,
        )

    def extract(
        self, documents: Sequence[str | Sequence[str]], threshold: float | None = None, batch_size: int = 32
    ) -> list[list[Span]]:
        """Extract the spans of each text, without white space at their ends.

        If overlapping windows disagree, the longer span is kept. The words of a document that is a list are joined by
        spaces.
        """
        texts = [document_text(document) for document in documents]
        kept = [at for at, text in enumerate(texts) if text.strip()]
        found: list[list[Span]] = [[] for _ in texts]
        results = self._pipe([texts[at] for at in kept], batch_size=batch_size) if kept else []
        for at, entities in zip(kept, results):
            spans = [
                Span(
                    *trimmed(texts[at], int(entity["start"]), int(entity["end"])),
                    entity["entity_group"],
                    float(entity["score"]),
                )
                for entity in entities
                if entity["entity_group"] in self.labels and entity["score"] >= (threshold or 0.0)
            ]
            found[at] = keep_longest(sorted(span for span in spans if span.start < span.end))
        return found


def _type_of(tag: str) -> str:
    return tag[2:] if tag[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") else tag


def _as_bio(tag: str) -> str:
    """Convert a tag of BIOES or BILOU to BIO.

    >>> _as_bio("S-PS"), _as_bio("E-PS"), _as_bio("I-PS"), _as_bio("PS")
    ('B-PS', 'I-PS', 'I-PS', 'PS')
    """
    return {"S-": "B-", "U-": "B-", "E-": "I-", "L-": "I-"}.get(tag[:2], tag[:2]) + tag[2:]
