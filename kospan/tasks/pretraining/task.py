"""Data and model of pretraining: an encoder with its head for masked language modelling, and raw texts."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, set_seed

from kospan.data.raw_texts import RawCorpus, load_raw_corpus, parse_sources
from kospan.example import Example
from kospan.modeling.alignment import Aligner
from kospan.modeling.settings import encoder_limit
from kospan.recipe import Recipe
from kospan.task import TaskSpec
from kospan.tasks.pretraining.attention import check_packed, encoder_inputs
from kospan.tasks.pretraining.masking import NO_LABEL, Masking
from kospan.tasks.pretraining.metrics import Evaluated, evaluated
from kospan.tasks.pretraining.model import Built, build_model
from kospan.tasks.pretraining.windows import SPECIAL, TrainingRows, windows_of
from kospan.tasks.unused_settings import check_recipe

NO_PREDICTIONS = (
    "expected a model that predicts, got a pretrained encoder; train one of another task with `encoder:` set to its "
    "folder"
)
# Positions of a packed row, and of a row of one text, without `max_length`.
PACKED, LONGEST = 128, 512
# Rows up to this length take less time on a CPU if attention is computed plainly than by torch's fused function.
PLAIN = 256


class RawTexts(Sequence):
    """Raw texts as examples without spans.

    Args:
        texts: The texts.
    """

    def __init__(self, texts: list[str]):
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, at):
        if isinstance(at, slice):
            return RawTexts(self.texts[at])
        return Example(str(at), self.texts[at], None)


class PretrainingTask:
    """Pretraining of an encoder by masked language modelling.

    Args:
        corpus: The texts.
        built: Model and tokenizer.
        recipe: The recipe, for windows and masks.

    Attributes:
        trained_positions: Subwords of all training rows, special tokens included.
        new_head: Number of weights of the head that were not pretrained.
        evaluation: The masked windows of the evaluation; None before `validation_features`.
    """

    spec: TaskSpec
    unit = "character"

    def __init__(self, corpus: RawCorpus, built: Built, recipe: Recipe):
        self.corpus, self.new_head = corpus, built.new_head
        self.model, self.tokenizer = built.model, built.tokenizer
        self.labels: list[str] = []
        self.documents = self.windowed = self.trained_positions = 0
        self.packing, self.seed = recipe.packing, int(recipe.trainer.get("seed", 42))
        limit = encoder_limit(self.model.config)
        if recipe.max_length and limit and recipe.max_length > limit:
            raise ValueError(
                f"expected rows of at most {limit} positions, which is what the encoder reads, got max_length "
                f"{recipe.max_length}; lower it"
            )
        usual = PACKED if recipe.packing else LONGEST
        self.aligner = Aligner(
            self.tokenizer,
            encoder_input=recipe.encoder_input,
            max_length=recipe.max_length or min(usual, limit or usual),
            stride=0,
        )
        # Not a setting of the stock encoder, but a checkpoint is resumed with the same.
        self.model.config.encoder_input = recipe.encoder_input
        special = set(self.tokenizer.all_special_ids)
        ordinary = [at for at in sorted(self.tokenizer.get_vocab().values()) if at not in special]
        self.masking = Masking(
            self.tokenizer.mask_token_id,
            torch.tensor(ordinary),
            recipe.mlm_probability,
            recipe.whole_word_mask,
            recipe.mask_replace_prob,
            recipe.random_replace_prob,
        )
        self.evaluation: Evaluated | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "PretrainingTask":
        """Read the texts and build tokenizer and model of a recipe."""
        check_recipe(recipe, cls.spec)
        corpus = load_raw_corpus(
            parse_sources(recipe.sources, recipe.train_file),
            recipe.validation_file,
            recipe.max_train_samples,
            recipe.max_eval_samples,
        )
        plain = recipe.packing and (recipe.max_length or PACKED) <= PLAIN and not torch.cuda.is_available()
        set_seed(int(recipe.trainer.get("seed", 42)))
        return cls(corpus, build_model(recipe, corpus, "eager" if plain else None), recipe)

    @classmethod
    def over(cls, model, dataset: str) -> "PretrainingTask":
        """Refuse a saved model, which predicts nothing.

        Raises:
            ValueError: Always.
        """
        raise ValueError(NO_PREDICTIONS)

    # --- data ---------------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> RawTexts:
        """Return the texts of a split."""
        return RawTexts(self.corpus.splits[split])

    def train_features(self, examples: RawTexts) -> TrainingRows:
        """Return the training rows."""
        windows = windows_of(examples.texts, self.aligner)
        self.documents = len(examples)
        self.windowed = int((np.bincount(windows.texts) > 1).sum())
        room = self.aligner.max_length if self.packing else None
        rows = TrainingRows(windows, self.corpus.repeats, room, self.seed)
        self.trained_positions = rows.positions
        if self.packing:
            check_packed(self.model, rows, self.collate)
        return rows

    def validation_features(self, examples: RawTexts) -> list[dict]:
        """Return the masked windows of the evaluation."""
        windows = windows_of(examples.texts, self.aligner)
        tokenizer = self.tokenizer
        self.evaluation = evaluated(examples.texts, windows, tokenizer.mask_token_id, tokenizer.unk_token_id)
        return self.evaluation.features

    def windows(self, examples: RawTexts) -> Iterator[dict]:
        """Yield the input of the encoder for each window, without masks."""
        found = windows_of(examples.texts, self.aligner)
        for at in range(len(found.texts)):
            yield {"input_ids": found.row([at])["input_ids"].tolist()}

    def collate(self, features: Sequence[dict]) -> dict[str, torch.Tensor]:
        """Pad rows on the right; packed ones to one length for all batches."""
        packed = self.packing and "words" in features[0]
        length = self.aligner.max_length if packed else max(len(feature["input_ids"]) for feature in features)
        padding = {"input_ids": self.tokenizer.pad_token_id, "words": SPECIAL, "windows": -1, "labels": NO_LABEL}
        batch = {}
        for name in features[0]:
            batch[name] = torch.full((len(features), length), padding[name])
            for at, feature in enumerate(features):
                batch[name][at, : len(feature[name])] = torch.as_tensor(feature[name].astype("int64"))
        return batch

    def batch_of_step(self, batch: dict[str, torch.Tensor], seed: tuple[int, ...]) -> dict:
        """Mask a batch; equal seeds give equal masks, so that a resumed training continues as if it had not stopped."""
        device = batch["input_ids"].device
        on_cpu = (batch[name].cpu() for name in ("input_ids", "words", "windows"))
        input_ids, labels = (each.to(device) for each in self.masking(*on_cpu, seed))
        inputs = encoder_inputs(self.model.config, batch["windows"], self.packing)
        return {"input_ids": input_ids, "labels": labels, **inputs}

    # --- model --------------------------------------------------------------------------------------------------------

    def save(self, model: torch.nn.Module, folder: str | os.PathLike) -> None:
        """Write encoder, head and tokenizer as transformers writes them."""
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def load(self, folder: str | os.PathLike):
        """Open what `save` wrote, in float32."""
        return AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)

    # --- scoring ------------------------------------------------------------------------------------------------------

    def losses(self, model, features: Sequence[dict], batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the mean loss of each batch of masked windows in nats, and the number of masked subwords in it."""
        order = sorted(features, key=lambda feature: -len(feature["input_ids"]))
        mode = model.training
        model.eval()
        try:
            for at in range(0, len(order), batch_size):
                batch = self.collate(order[at : at + batch_size])
                batch = {name: each.to(model.device) for name, each in batch.items()}
                labels, count = batch["labels"], (batch["labels"] != NO_LABEL).sum()
                inputs = encoder_inputs(model.config, batch["windows"], packed=False)
                if count:
                    yield model(input_ids=batch["input_ids"], labels=labels, **inputs).loss, count
        finally:
            model.train(mode)

    def predict(self, documents, threshold=None, batch_size=32, model=None):
        """Refuse to predict.

        Raises:
            ValueError: Always.
        """
        raise ValueError(NO_PREDICTIONS)

    def metrics(self, examples, predictions) -> dict[str, float]:
        """Refuse predictions; see `loss_metrics`.

        Raises:
            ValueError: Always.
        """
        raise ValueError(NO_PREDICTIONS)

    def loss_metrics(self, loss: float) -> dict[str, float]:
        """Return the metrics that follow from a validation loss in nats per masked subword."""
        return {"bits_per_character": self.evaluation.bits_per_character(loss), "loss": loss}
