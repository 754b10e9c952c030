"""The writing task: a causal LM writes out the entities of a text."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import AutoConfig

from kospan.data.corpus import Corpus
from kospan.data.registry import dataset_spec
from kospan.example import Example
from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.base_models import check_base
from kospan.modeling.configuration_generative_ner import read_writer_config
from kospan.modeling.prompt_windows import composed
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.task import NotedSpans
from kospan.tasks.building import corpus_of
from kospan.tasks.generative_ner.base_model import check_loading, loading, scratch_options
from kospan.tasks.generative_ner.continued import CONTINUED, own_settings
from kospan.tasks.generative_ner.generated import WRITTEN_FIGURES, notes_of, score_written
from kospan.tasks.generative_ner.model import build_writer, reply_about
from kospan.tasks.generative_ner.packing import check_packing, pack, packed_batch, row_length, unpack
from kospan.tasks.span_task import SpanTask
from kospan.tasks.token_classification.metrics import metric_names
from kospan.tasks.unused_settings import EVERY_TASK, settled


class GenerativeNERTask(SpanTask):
    """Named entities and the like, written out.

    Args:
        corpus: The data; None over a saved model.
        writer: A `KospanGenerativeNER`; its causal LM is what is trained.
        loading: What `from_pretrained` takes where the model is opened again; float32 where it says nothing.
        packing: Whether several windows stand in one training row.
    """

    model_type = KospanGenerativeNERConfig.model_type
    uses = EVERY_TASK | {
        *(
            "overlaps",
            "instruction",
            "label_descriptions",
            "few_shot",
            "few_shot_strategy",
            "constrained_decoding",
            "max_new_tokens",
        ),
        *("dtype", "load_bits", "device_map", "packing", "token_column", "tag_column"),
    }
    continued = CONTINUED
    check_scratch = staticmethod(scratch_options)

    def __init__(
        self, corpus: Corpus | None, writer: KospanGenerativeNER, loading: dict | None = None, packing: bool = False
    ):
        self.corpus, self.writer = corpus, writer
        self.loading = loading or {"dtype": torch.float32}
        # The trainer gets the stock causal LM, which it knows how to save, to spread and to load again.
        self.model = writer if corpus is None else writer.model
        self.tokenizer, self.unit, self.labels = writer.tokenizer, writer.config.unit, list(writer.config.labels)
        self.windowed, self.documents, self.unwritable, self.too_long = 0, 0, 0, 0
        self.packing, self.packed = packing, ""
        for split, examples in (corpus.splits if corpus else {}).items():
            self.check(examples, split)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "GenerativeNERTask":
        """Data, tokenizer and model as the recipe asks."""
        cls.check_recipe(recipe)
        corpus = corpus_of(recipe)
        return cls(corpus, build_writer(recipe, corpus), loading(recipe), recipe.packing)

    @classmethod
    def over(cls, model, dataset: str) -> "GenerativeNERTask":
        """The task over a saved model."""
        return cls(None, model)

    @classmethod
    def unused(cls, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        """A model from nothing is not loaded."""
        if recipe.encoder != "scratch":
            return {}
        return dict.fromkeys(("dtype", "load_bits", "device_map"), ("encoder",))

    @classmethod
    def models_own(cls, recipe: Recipe) -> dict:
        """The settings of the writer in the folder that `encoder` names, and of its adapter."""
        return own_settings(recipe.encoder)

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a setting has no effect, or a value cannot be had."""
        settled(recipe, cls.spec)
        check_loading(recipe)
        if recipe.encoder == "scratch":
            scratch_options(recipe.encoder_options)
            if recipe.lora_rank:
                raise ValueError(
                    f"expected lora_rank: 0 for encoder: scratch, got {recipe.lora_rank}: an adapter is opened over "
                    "its base model, and a random one is nowhere kept; name a base model, or take lora_rank out"
                )

    @classmethod
    def metric_names_of(cls, recipe: Recipe, name: str) -> list[str]:
        """The metrics of a run; the data are read only where one of a single type is asked for."""
        labels = ()
        if name.removeprefix("eval_").startswith(("f1_", "support_")):
            labels = corpus_of(recipe).labels
        return [*metric_names(recipe.unit or dataset_spec(recipe.dataset).unit, labels), *WRITTEN_FIGURES]

    # --- training -----------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """The examples of a split; those that every prompt shows are not in it."""
        always = split == "train" and self.writer.config.shown is None
        shown = {text for text, _ in self.writer.config.examples} if always else set()
        return [example for example in self.corpus.splits[split] if composed(example.text)[0] not in shown]

    def train_features(self, examples: list[Example]) -> list[dict]:
        """A dict per window: `input_ids`, prompt and reply with its end, and `labels`, -100 in the prompt; with packing
        a dict per row, with `position_ids` too.

        Raises: ValueError where no window has a reply that fits into `max_new_tokens`, or the model cannot read packed
            windows.
        """
        writer, features = self.writer, []
        for example in examples:
            text, places = composed(example.text)
            passages = writer.passages(text, learning=True)
            self.documents += 1
            self.windowed += len(passages) > 1
            for passage in passages:
                reply = writer.ids_of(reply_about(example, places, passage))
                self.unwritable += self.tokenizer.unk_token_id in reply
                if len(reply) >= writer.config.max_new_tokens:
                    self.too_long += 1
                    continue
                reply = [*reply, self.tokenizer.eos_token_id]
                features.append(
                    {
                        "input_ids": [*passage.input_ids, *reply],
                        "labels": [*[-100] * len(passage.input_ids), *reply],
                    }
                )
        if examples and not features:
            raise ValueError(
                f"expected texts whose replies are shorter than max_new_tokens {writer.config.max_new_tokens}, got "
                f"{len(examples):,} without one, and nothing to learn from; raise max_new_tokens, or add texts"
            )
        return self.in_rows(features) if self.packing and features else features

    def in_rows(self, windows: list[dict]) -> list[dict]:
        """Training windows packed into rows. Raises: ValueError where the model cannot read them so."""
        # Once: what is trained later is the same model.
        if not self.packed:
            check_packing(self.writer, windows, self.collate)
        length = row_length(self.writer, max(len(window["input_ids"]) for window in windows))
        rows = pack(windows, length)
        full = sum(len(row["input_ids"]) for row in rows) / (length * len(rows))
        self.packed = (
            f"packing             {len(windows):,} windows in {len(rows):,} rows of up to {length:,} positions, "
            f"{full:.1%} full; a batch counts rows, of {len(windows) / len(rows):.1f} windows each"
        )
        return rows

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """The prompts, as `extract` makes them."""
        for example in examples:
            for passage in self.writer.passages(composed(example.text)[0]):
                yield {"input_ids": passage.input_ids}

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` and `labels` `(batch, length)`, padded on the right: a model without its own
        idea of where a text begins counts positions from the left. Packed rows as `packed_batch` says."""
        length = max(len(feature["input_ids"]) for feature in features)
        shape = (len(features), length)
        batch = {
            "input_ids": torch.full(shape, self.tokenizer.pad_token_id),
            "attention_mask": torch.zeros(shape, dtype=torch.int64),
            "labels": torch.full(shape, -100),
        }
        for at, feature in enumerate(features):
            end = len(feature["input_ids"])
            batch["input_ids"][at, :end] = torch.tensor(feature["input_ids"])
            batch["attention_mask"][at, :end] = 1
            batch["labels"][at, :end] = torch.tensor(feature["labels"])
        return packed_batch(batch, features) if "position_ids" in features[0] else batch

    def losses(self, model, features: Sequence[dict], batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The mean loss of a reply's subwords, batch by batch, and how many they are; windows that were packed for
        training are taken apart, as `batch_size` counts windows."""
        writer = self.writer.with_model(model)
        order = sorted(unpack(features), key=lambda feature: -len(feature["input_ids"]))
        with writer.evaluating():
            for at in range(0, len(order), batch_size):
                batch = {
                    key: value.to(writer.device) for key, value in self.collate(order[at : at + batch_size]).items()
                }
                yield model(**batch, use_cache=False).loss, (batch["labels"] != -100).sum()

    def remarks(self) -> list[str]:
        """What the model is asked, and what cannot be learnt."""
        before, behind = self.writer.frame
        config = self.writer.config
        how = "the chat template" if config.chat else "plain text"
        most, shown = "", f"{len(config.examples)} examples shown"
        if config.shown is not None:
            most = "up to "
            shown = f"of {len(config.examples):,} examples the {config.shown:,} most like the text shown"
        lines = [
            f"prompt              {most}{len(before) + len(behind):,} subwords beside the text, as {how}; {shown}; "
            f"replies of up to {config.max_new_tokens:,} subwords"
        ]
        if self.packed:
            lines.append(self.packed)
        if self.too_long:
            lines.append(
                f"replies left out    {self.too_long:,} are longer than max_new_tokens, so nothing trains on them"
            )
        if self.unwritable:
            lines.append(
                f"unknown subwords      {self.unwritable:,} replies hold characters that the vocabulary cannot write"
            )
        if self.corpus.dropped:
            lines.append(f"dropped spans       {self.corpus.dropped:,} gold spans overlapped a longer one")
        return lines

    def save(self, model, folder: str | os.PathLike) -> None:
        """The causal LM or its adapter, the tokenizer, and `kospan.json`."""
        self.writer.with_model(model).save_pretrained(folder)

    def save_beside(self, folder: str | os.PathLike) -> None:
        """What a checkpoint needs beside weights and tokenizer."""
        self.writer.save_beside(folder)

    def load(self, folder: str | os.PathLike) -> KospanGenerativeNER:
        """What `save` wrote, in float32; where the recipe has `dtype`, `load_bits` or `device_map`, loaded with
        these as for training, so that predictions are then in that type."""
        return KospanGenerativeNER.from_pretrained(folder, **self.loading)

    def identity(self, folder: Path | None = None) -> dict:
        """The prompt, and the config of the causal LM where that is saved whole.

        Raises: ValueError where the adapter of the checkpoint was trained on another base model.
        """
        config = self.writer.config if folder is None else read_writer_config(folder)
        prompt, base = config.to_dict(), config.base
        del prompt["base"]
        if hasattr(self.model, "peft_config"):
            check_base(self.model, base, "the recipe's encoder", folder)
            return {"prompt": prompt}
        model = self.model.config if folder is None else AutoConfig.from_pretrained(folder)
        return {"prompt": prompt, "model": model.to_dict()}

    # --- use ----------------------------------------------------------------------------------------------------------

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the spans of each text as `extract` does, with notes about the replies.

        Args:
            documents: The documents.
            threshold: Least score of a span; None keeps all.
            batch_size: Windows per batch.
            model: A `KospanGenerativeNER`, or the causal LM that is being trained; None takes the task's own.
        """
        model = self.model if model is None else model
        writer = model if isinstance(model, KospanGenerativeNER) else self.writer.with_model(model)
        replies = writer.generate([document.text for document in documents], batch_size, threshold=threshold or 0.0)
        return [NotedSpans(reply.spans, notes_of(reply)) for reply in replies]

    # --- scores -------------------------------------------------------------------------------------------------------

    def metric_names(self) -> list[str]:
        """The names of what `metrics` gives."""
        return [*super().metric_names(), *WRITTEN_FIGURES]

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Span metrics as of taggers, and what became of the replies."""
        return super().metrics(examples, predicted) | score_written(examples, predicted)

    def claims(self, examples: Sequence[Example]) -> None:
        """None: how probable a reply is says little about units that it does not name."""
        return None
