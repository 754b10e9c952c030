"""The writer that a recipe asks for: its model, its labels, and what its prompt says and shows."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from kospan.data.corpus import Corpus
from kospan.data.registry import dataset_spec
from kospan.example import Example, clean_label
from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.configuration_generative_ner import NAME
from kospan.modeling.prompt_windows import PromptWindow, composed
from kospan.modeling.prompts import INSTRUCTIONS, WORDS, check_writable_labels, entities_of, write_reply
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.tasks.encoders import locate
from kospan.tasks.generative_ner.base_model import load_decoder, scratch_decoder
from kospan.tasks.generative_ner.continued import continued_writer, date_of
from kospan.training.lora import adapt_causal_lm, lora_of

# What a prompt chooses its examples from: how many, and how many characters each has at most. They are kept in
# kospan.json and read in every prompt.
POOL, LONGEST_SHOWN = 1000, 300


def build_writer(recipe: Recipe, corpus: Corpus) -> KospanGenerativeNER:
    """The writer that a recipe asks for: continued where `encoder` is a folder with `kospan.json`, else new."""
    seed = int(recipe.trainer.get("seed", 42))
    torch.manual_seed(seed)
    random.seed(seed)
    if recipe.encoder != "scratch" and (Path(locate(recipe.encoder)) / NAME).is_file():
        writer = continued_writer(recipe)
        check_same_labels(writer.config.labels, corpus.labels, recipe.encoder)
        return writer
    config = writer_config(recipe, corpus)
    train = corpus.splits["train"]
    if recipe.encoder == "scratch":
        # What every prompt shows is always spelt; a pool is as any training text.
        shown = config.examples if config.shown is None else []
        spelling = "".join(
            [config.instruction, *config.words, *config.descriptions.values(), *config.labels]
            + [part for pair in shown for part in pair]
            + ["- \n[]:\\"]
        )
        model, tokenizer = scratch_decoder([example.text for example in train], spelling, recipe.encoder_options)
    else:
        model, tokenizer = load_decoder(recipe)
    config.chat = bool(getattr(tokenizer, "chat_template", None))
    if recipe.lora_rank:
        model = adapt_causal_lm(model, lora_of(recipe))
    writer = KospanGenerativeNER(model, tokenizer, config)
    writer.fix_date(date_of(recipe))
    config = writer.config
    if recipe.max_new_tokens is None:
        config.max_new_tokens = usual_budget(writer, train)
    # Says at once whether prompt and reply fit into the context.
    _ = writer.room
    return writer


def usual_budget(writer: KospanGenerativeNER, train: Sequence[Example]) -> int:
    """Return the default for `max_new_tokens`: a quarter more than the longest reply about a training text.

    The end is included, but it is at most half of the context beside the prompt: long texts are split into windows.
    """
    longest = max(len(writer.ids_of(whole_reply(example))) for example in train)
    wanted = 1 + longest + longest // 4
    if writer.context is not None:
        wanted = min(wanted, (writer.context - sum(map(len, writer.frame))) // 2)
    return max(16, wanted)


def writer_config(recipe: Recipe, corpus: Corpus) -> KospanGenerativeNERConfig:
    """Labels and prompt of a new writer; what depends on the tokenizer is still to come."""
    labels, train = list(corpus.labels), corpus.splits["train"]
    check_writable_labels(labels)
    known = dataset_spec(recipe.dataset)
    language = known.language or language_of(train)
    described = {clean_label(str(label)): str(text) for label, text in recipe.label_descriptions.items()}
    unknown = sorted(described.keys() - set(labels))
    if unknown:
        raise ValueError(
            f"expected label_descriptions of the labels {', '.join(labels)}, got {unknown[0]!r}; mend the name"
        )
    similar = recipe.few_shot_strategy == "similar"
    shown = (pool_of if similar else shown_examples)(train, recipe.few_shot)
    column = ("en", "ko").index(language)
    meanings = {label: meaning[column] for label, meaning in known.meanings.items() if label in labels}
    return KospanGenerativeNERConfig(
        labels=labels,
        descriptions=meanings | described,
        instruction=INSTRUCTIONS[language] if recipe.instruction is None else recipe.instruction,
        examples=[[composed(example.text)[0], whole_reply(example)] for example in shown],
        shown=recipe.few_shot if similar else None,
        words=list(WORDS[language]),
        constrained_decoding=recipe.constrained_decoding,
        max_length=recipe.max_length,
        unit=recipe.unit or dataset_spec(recipe.dataset).unit,
        **({} if recipe.max_new_tokens is None else {"max_new_tokens": recipe.max_new_tokens}),
    )


def language_of(examples: Sequence[Example]) -> str:
    """"ko" where most letters are Hangul, else "en"."""
    letters = [letter for example in examples[:1000] for letter in example.text if letter.isalpha()]
    return "ko" if sum("가" <= letter <= "힣" for letter in letters) > len(letters) / 2 else "en"


def shown_examples(examples: Sequence[Example], count: int) -> list[Example]:
    """Examples for the prompt: each the shortest among those that show most types not shown yet.

    Raises: ValueError where there are too few.
    """
    if count >= len(examples):
        raise ValueError(
            f"expected few_shot below the {len(examples):,} training examples, got {count}; show fewer, or add texts"
        )
    chosen: list[Example] = []
    left = sorted(examples, key=lambda example: (len(example.text), example.id))
    seen: set[str] = set()
    while len(chosen) < count:
        best = max(left, key=lambda example: len({span.label for span in example.spans} - seen))
        chosen.append(best)
        left.remove(best)
        seen |= {span.label for span in best.spans}
    return chosen


def pool_of(examples: Sequence[Example], count: int) -> list[Example]:
    """Return the examples from which a prompt chooses `count`.

    They are texts of up to 300 characters, each once; of more than 1,000, as many, spread evenly.

    Raises:
        ValueError: If there are too few: a text is no example for itself.
    """
    first: dict[str, Example] = {}
    for example in examples:
        if 0 < len(text := composed(example.text)[0]) <= LONGEST_SHOWN:
            first.setdefault(text, example)
    pool = list(first.values())
    if count >= len(pool):
        raise ValueError(
            f"expected few_shot below the {len(pool):,} training texts of up to {LONGEST_SHOWN} characters with "
            f"few_shot_strategy: similar, got {count}; show fewer, or add texts"
        )
    if len(pool) > POOL:
        pool = [pool[at * len(pool) // POOL] for at in range(POOL)]
    return pool


def check_same_labels(own: Sequence[str], asked: Sequence[str], name: str) -> None:
    """Raises: ValueError where a writer that is trained on knows other labels than the data."""
    unknown = [label for label in asked if label not in own]
    if unknown:
        raise ValueError(
            f"expected labels that the model {name} knows ({', '.join(own)}), got {unknown[0]!r}; rename the label, "
            "or train a new model from a base"
        )


def reply_about(example: Example, places: Sequence[tuple[int, int]], passage) -> str:
    """The gold reply about a window.

    Args:
        example: The document.
        places: `(start, end)` in its text of each composed character.
        passage: A window of the composed text.
    """
    inside = []
    starts = range(passage.start, passage.start + len(passage.text))
    for span in example.spans or ():
        held = [at for at in starts if places[at][0] < span.end and places[at][1] > span.start]
        # A span that the window cuts is asked of the window that holds it whole.
        if held and places[held[0]][0] <= span.start and places[held[-1]][1] >= span.end:
            inside.append(Span(held[0] - passage.start, held[-1] + 1 - passage.start, span.label))
    return write_reply(entities_of(passage.text, inside))


def whole_reply(example: Example) -> str:
    """The gold reply about a whole text."""
    text, places = composed(example.text)
    return reply_about(example, places, PromptWindow(0, text, (0, len(text)), []))
