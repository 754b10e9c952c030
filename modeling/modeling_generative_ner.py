"""`KospanGenerativeNER`: a causal LM that generates the entities of a text, converted to spans."""

import codecs
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any, NamedTuple

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.dynamic_module_utils import custom_object_save
from transformers.utils import PushToHubMixin

from .alignment import clusters  # noqa: F401  (transformers 4.51 copies only what this file names itself)
from .base_models import ADAPTER, NEEDS, base_record, load_adapted
from .character_ngrams import CharacterNgrams  # noqa: F401  (as `clusters`)
from .code_files import (
    LOCATION_KEYS,
    check_safetensors,
    follow_umask,
    is_remote_code,
    make_tokenizer_portable,
    read_extra_files,
    read_text,
    save_extra_files,
    write_text,
)
from .configuration_generative_ner import NAME, KospanGenerativeNERConfig, find_file, read_generative_config
from .constraints import ReplyProcessor
from .input_checks import as_text, check_documents, check_prediction_arguments
from .pipeline_base import PipelineOwner
from .pipeline_question_answering import KospanQuestionAnsweringPipeline  # noqa: F401  (as `clusters`)
from .pipeline_text_classification import KospanTextClassificationPipeline  # noqa: F401  (as `clusters`)
from .pipeline_token_classification import KospanTokenClassificationPipeline  # noqa: F401  (as `clusters`)
from .pipelines import PIPELINES
from .prompt_dates import date_codes  # noqa: F401  (as `clusters`)
from .prompt_windows import PromptBuilder, PromptWindow, composed
from .prompts import locate, parse_reply
from .reply_states import ReplyStates
from .settings import choice  # noqa: F401  (as `clusters`)
from .similarity import Similarity
from .spans import Span, first_overlap, keep_longest
from .subword_bytes import SubwordBytes
from .tags import labels_of  # noqa: F401  (as `clusters`)
from .word_shapes import shape_of  # noqa: F401  (as `clusters`)
from .words import document_text

# Arguments of save_pretrained for a push.
_PUSH_KEYS = ("commit_message", "commit_description", "private", "token", "revision", "create_pr", "tags")
# Before version 4.56 the argument had another name.
_OLD_DTYPE = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)


class GeneratedSpans(NamedTuple):
    """Spans generated for one text, with the replies.

    Args:
        spans: The spans, sorted by start.
        replies: The replies, one per window.
        dropped: Number of invalid brackets.
        unmatched: Number of surfaces without a free occurrence in the text.
        unparsed: Number of replies without any entity or `[]`.
        in_order: Whether the replies follow the grammar exactly, with entities in order of the text.
    """

    spans: list[Span]
    replies: list[str]
    dropped: int = 0
    unmatched: int = 0
    unparsed: int = 0
    in_order: bool = True


class KospanGenerativeNER(PromptBuilder, PipelineOwner, PushToHubMixin):
    """Named-entity recognition by generating text with a causal LM.

    Args:
        model: A causal LM of transformers, or one with adapters of peft.
        tokenizer: Its fast tokenizer.
        config: Labels, prompt and limits.

    Raises:
        ValueError: If the tokenizer has no end-of-text token, or its subwords cannot be converted to bytes.

    >>> model = KospanGenerativeNER.from_pretrained("user/name")  # doctest: +SKIP
    >>> model.extract("이재용 회장이 서울에서 말했다")  # doctest: +SKIP
    [Span(start=0, end=3, label='PS', score=0.97), Span(start=8, end=10, label='LC', score=0.95)]
    """

    _pipeline_class = PIPELINES["token-classification"]

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, config: KospanGenerativeNERConfig):
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self._extra_files: dict[str, str] = {}
        if tokenizer.eos_token_id is None:
            raise ValueError(
                "expected a tokenizer with an end-of-text token, with which a reply ends, got none; set "
                "tokenizer.eos_token to a token of the vocabulary and save it"
            )
        if config.chat and not tokenizer.chat_template:
            raise ValueError(
                "expected a tokenizer with a chat template, because the model was trained with one (chat: true), got "
                "none; copy chat_template.jinja or the tokenizer's files from the model again"
            )
        table = model.get_output_embeddings()
        size = None if table is None else table.weight.shape[0]
        if getattr(table, "out_features", None):  # Packed weights have other shapes.
            size = table.out_features
        if size is not None and tokenizer.eos_token_id >= size:
            raise ValueError(
                f"expected an end-of-text token among the {size:,} subwords of the model, got {tokenizer.eos_token!r} "
                f"with the id {tokenizer.eos_token_id:,}; set tokenizer.eos_token to a token of the vocabulary and "
                "save it"
            )
        # A token after the end of the embedding table could not be used.
        if tokenizer.pad_token_id is None or (size is not None and tokenizer.pad_token_id >= size):
            tokenizer.pad_token = tokenizer.eos_token
        self.subwords = SubwordBytes(tokenizer, size)
        if config.shown is not None:
            self._likeness = Similarity([text for text, _ in config.examples])
        # Check at once that the labels can be written.
        ReplyStates("", config.labels, self.subwords)

    # --- loading and saving -------------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls, name: str | os.PathLike, base: str | os.PathLike | None = None, **kwargs: Any
    ) -> "KospanGenerativeNER":
        """Load a causal LM, or an adapter, with `kospan.json` beside it, from a folder or a repository.

        Args:
            name: Folder, or name on the Hub.
            base: For an adapter: folder or name of its base model, if not the one in the adapter.
            **kwargs: Arguments of `AutoModelForCausalLM.from_pretrained`, such as `dtype` and `device_map`.

        Raises:
            FileNotFoundError: If there is no `kospan.json`.
            ImportError: If an adapter needs peft and it is not installed.
            ValueError: If an adapter was trained on another base, or a folder holds weights only as pickles.
        """
        location = {key: kwargs[key] for key in LOCATION_KEYS if kwargs.get(key) is not None}
        check_safetensors(name, kwargs.get("subfolder"))
        config = read_generative_config(name, **location)
        # None would make transformers ask on the terminal.
        trust = bool(kwargs.get("trust_remote_code"))
        if "dtype" in kwargs and _OLD_DTYPE:
            kwargs["torch_dtype"] = kwargs.pop("dtype")
        if find_file(name, ADAPTER, **location) is None:
            if base is not None:
                raise ValueError(
                    f"expected base only beside an adapter, got {str(base)!r} for {name}, which holds a whole model; "
                    "remove it"
                )
            safe = {"trust_remote_code": trust, "use_safetensors": True}
            model = AutoModelForCausalLM.from_pretrained(name, **{**kwargs, **safe})
        else:
            model = load_adapted(name, base, config, location, kwargs)
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, trust_remote_code=trust, **location)
        writer = cls(model.eval(), tokenizer, config)
        if is_remote_code():
            # Read now, while the repository is available: saving must not depend on it.
            writer._extra_files = read_extra_files(name, **location)
        return writer

    def save_pretrained(self, folder: str | os.PathLike, *, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Write the causal LM or its adapter, the tokenizer, and the files of `save_beside`.

        Args:
            folder: The output folder.
            push_to_hub: Whether to push the folder to the Hub, under `repo_id` or the folder's name.
            **kwargs: Arguments of the model's `save_pretrained` and, for a push, of `push_to_hub`.
        """
        push = {key: kwargs.pop(key) for key in ("repo_id", *_PUSH_KEYS) if key in kwargs}
        self.model.save_pretrained(folder, **kwargs)
        follow_umask(folder)
        self.tokenizer.save_pretrained(folder)
        make_tokenizer_portable(os.path.join(folder, "tokenizer_config.json"))
        self.save_beside(folder)
        if push_to_hub:
            # The model's own push would happen before the files above are written.
            repo_id = push.pop("repo_id", None) or os.path.basename(os.path.normpath(folder))
            self.push_to_hub(repo_id, **{key: value for key, value in push.items() if value is not None})

    def save_beside(self, folder: str | os.PathLike) -> None:
        """Write the files beside weights and tokenizer: `kospan.json`, this code, and an endpoint's files.

        With them the folder loads with torch and transformers alone.
        """
        config = self.config
        if hasattr(self.model, "peft_config"):
            config = dataclasses.replace(config, base=base_record(self.model))
        text = json.dumps(config.to_dict(), ensure_ascii=False, indent=2) + "\n"
        write_text(os.path.join(folder, NAME), text)
        custom_object_save(self, folder)
        save_extra_files(folder, self._extra_files)
        needs = os.path.join(folder, "requirements.txt")
        if hasattr(self.model, "peft_config") and "peft" not in read_text(needs):
            write_text(needs, f"{read_text(needs)}{NEEDS}\n")

    @property
    def device(self) -> torch.device:
        """The device of the model's inputs."""
        return self.model.get_input_embeddings().weight.device

    def to(self, *args, **kwargs) -> "KospanGenerativeNER":
        """Move the model as in torch.

        A model that was placed while it was loaded, or has 8-bit or 4-bit weights, is not moved.
        """
        to_device = getattr(self.model, "hf_device_map", None) is not None
        if not to_device and getattr(self.model, "hf_quantizer", None) is None:
            self.model.to(*args, **kwargs)
        return self

    def eval(self) -> "KospanGenerativeNER":
        """Set evaluation mode, as in torch."""
        self.model.eval()
        return self

    def __call__(self, *args, **kwargs):
        """Refuse a call of the model itself, as transformers' own pipelines make it.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "expected text for model.extract(texts) or model.pipeline()(texts), got a call of the model itself, "
            "which transformers' pipeline(task, model=<a loaded model>) makes; use one of the two"
        )

    def can_generate(self) -> bool:
        """Return False, so that transformers' pipelines prepare nothing for generation; `extract` does."""
        return False

    def name_pipelines(self) -> None:
        """Do nothing: `pipeline(model=folder)` cannot load a language model as a `KospanGenerativeNER`."""

    def with_model(self, model) -> "KospanGenerativeNER":
        """Return a copy with another model of the same vocabulary, such as one in training."""
        if model is self.model:
            return self
        other = object.__new__(KospanGenerativeNER)
        other.__dict__ = {**self.__dict__, "model": model}
        return other

    # --- text to spans ------------------------------------------------------------------------------------------------

    def extract(
        self,
        texts: str | Sequence[str | Sequence[str]],
        threshold: float = 0.0,
        batch_size: int = 32,
        num_beams: int = 1,
    ) -> list[Span] | list[list[Span]]:
        """Extract the spans of each text.

        The score of a span is the probability of its bracket, given all text before it: the product over the bracket's
        subwords, from the decision to write one more to its `]`. With constrained decoding the probabilities are those
        among the subwords that the grammar allows.

        Args:
            texts: A document, or a sequence of documents of any length (a list, an array, a Series, a data set's
                column); long ones are split into windows and merged. In a sequence a document may also be a list of
                its words, which are joined by spaces.
            threshold: Spans with a lower score are omitted.
            batch_size: Number of prompts in a batch.
            num_beams: Number of beams; 1 always takes the most probable subword.

        Returns:
            Spans sorted by start, none of which begins or ends with white space: a list for a str, a list of lists for
            a sequence.

        Raises:
            TypeError: If `texts` is neither a str nor a sequence of documents, or a number has another type.
            ValueError: If `threshold`, `batch_size` or `num_beams` is out of range, or a text holds half of a surrogate
                pair.
        """
        texts = as_text(texts)
        if isinstance(texts, str):
            return self.extract([texts], threshold, batch_size, num_beams)[0]
        return [writing.spans for writing in self.generate(texts, batch_size, num_beams, threshold)]

    @torch.no_grad()
    def generate(
        self, texts: Sequence[str | Sequence[str]], batch_size: int = 32, num_beams: int = 1, threshold: float = 0.0
    ) -> list[GeneratedSpans]:
        """Extract spans as `extract` does; also return the replies and the counts of unusable parts."""
        texts = [document_text(document) for document in check_documents(texts)]
        check_prediction_arguments(threshold, batch_size)
        check_beams(num_beams)
        read = [composed(text) for text in texts]
        passages = [self.passages(text) for text, _ in read]
        flat = [passage for each in passages for passage in each]
        answers: list = [None] * len(flat)
        # The longest first: batches of similar length, and lack of memory shows at once.
        order = sorted(range(len(flat)), key=lambda at: -len(flat[at].input_ids))
        with self.evaluating():
            for at in range(0, len(order), batch_size):
                chosen = order[at : at + batch_size]
                for place, answer in zip(chosen, self._answers([flat[each] for each in chosen], num_beams)):
                    answers[place] = answer
        following = iter(answers)
        found = [self._merged(places, own, [next(following) for _ in own]) for (_, places), own in zip(read, passages)]
        return [each._replace(spans=[span for span in each.spans if span.score >= threshold]) for each in found]

    def _answers(self, passages: Sequence[PromptWindow], num_beams: int) -> list[tuple[str, list[tuple[int, float]]]]:
        """Return the reply to each prompt, and start and log-probability of each of its subwords."""
        config = self.config
        states, ends = None, [self.tokenizer.eos_token_id]
        if config.constrained_decoding:
            states = [ReplyStates(each.text, config.labels, self.subwords, config.whole_words) for each in passages]
        processor = ReplyProcessor(self.subwords, ends, config.max_new_tokens, states, len(passages))
        batch = {
            key: value.to(self.device) for key, value in self.padded([each.input_ids for each in passages]).items()
        }
        settings = GenerationConfig(
            max_new_tokens=config.max_new_tokens,
            do_sample=False,
            num_beams=num_beams,
            use_cache=True,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=ends,
            bos_token_id=self.tokenizer.bos_token_id,
        )
        with default_generation_config(self.model):
            rows = self.model.generate(
                **batch, generation_config=settings, logits_processor=LogitsProcessorList([processor])
            )
        answers = []
        for at, row in enumerate(rows[:, batch["input_ids"].shape[1] :].tolist()):
            reply = row[: next((place for place, subword in enumerate(row) if subword in ends), len(row))]
            answers.append(decode_reply(self.subwords, reply, processor.log_probabilities(at, reply)))
        return answers

    def _merged(self, characters: list, passages: Sequence[PromptWindow], answers: Sequence) -> GeneratedSpans:
        """Merge the replies about the windows of one text, in characters of the original text."""
        spans, replies = [], []
        dropped = unmatched = unparsed = 0
        in_order = True
        for passage, (reply, starts) in zip(passages, answers):
            found = parse_reply(reply, self.config.labels)
            places = locate(passage.text, found.entities, self.config.whole_words)
            replies.append(reply)
            dropped, unparsed = dropped + found.dropped, unparsed + (not found.parsed)
            unmatched += sum(place is None for place in places)
            kept = [place for place in places if place is not None]
            in_order = in_order and found.whole and len(kept) == len(places) and kept == sorted(kept)
            for entity, place in zip(found.entities, places):
                if place is None:
                    continue
                middle = passage.start + (place.start + place.end - 1) // 2
                if passage.own[0] <= middle < passage.own[1]:
                    score = bracket_probability(entity, found.entities, starts)
                    first, last = passage.start + place.start, passage.start + place.end - 1
                    spans.append(Span(characters[first][0], characters[last][1], place.label, score))
        # Two windows may split one stretch of text in different ways.
        spans = keep_longest(spans) if first_overlap(spans) else sorted(spans)
        return GeneratedSpans(spans, replies, dropped, unmatched, unparsed, in_order)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Set evaluation mode inside the context and restore the previous mode afterwards."""
        before = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(before)


def check_beams(num_beams: int) -> None:
    """Check that `num_beams` is a positive count.

    Raises:
        TypeError, ValueError: If `num_beams` is not a positive count.
    """
    if isinstance(num_beams, bool) or not isinstance(num_beams, Integral):
        raise TypeError(f"expected num_beams to be a whole number of replies, got {num_beams!r}; 1 is the default")
    if num_beams < 1:
        raise ValueError(f"expected num_beams to be 1 or more replies, got {num_beams!r}; 1 is the default")


def decode_reply(
    subwords: SubwordBytes, reply: Sequence[int], values: Sequence[float]
) -> tuple[str, list[tuple[int, float]]]:
    """Decode a reply; return its text and `(first character, value)` of each of its subwords."""
    decoder, text, starts = codecs.getincrementaldecoder("utf-8")("replace"), "", []
    for subword, value in zip(reply, values):
        added = subwords.joined([subword])
        text += decoder.decode(added[:1])
        # If the first byte continues a character, the subword begins with that character.
        begun = bool(added) and not decoder.getstate()[0]
        starts.append((len(text) - begun, value))
        text += decoder.decode(added[1:])
    return text + decoder.decode(b"", True), starts


def bracket_probability(entity, entities: Sequence, starts: Sequence[tuple[int, float]]) -> float:
    """Return the product over the subwords that begin in an entity's bracket or in the space before it."""
    before = max((other.end for other in entities if other.end <= entity.start), default=entity.start - 1)
    first = max(before, entity.start - 1)
    total = sum(value for start, value in starts if first <= start < entity.end)
    # As float32, like all scores, so that the number is the same everywhere.
    return min(1.0, torch.tensor(total, dtype=torch.float64).exp().float().item())


@contextmanager
def default_generation_config(model) -> Iterator[None]:
    """Replace a model's own generation settings, such as a repetition penalty for chats, by the defaults."""
    # peft's wrapper passes attributes on to the base permanently; it has none itself.
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    before = {each: vars(each)["generation_config"] for each in {model, base} if "generation_config" in vars(each)}
    for each in before:
        each.generation_config = GenerationConfig()
    try:
        yield
    finally:
        for each, own in before.items():
            each.generation_config = own
