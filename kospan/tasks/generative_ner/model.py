"""The model of a recipe for generative NER: causal language model, labels and prompt."""

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
from kospan.tasks.generative_ner.continued import continued_model, prompt_date
from kospan.training.lora import adapt_causal_lm, lora_of

# Examples to choose from that are saved in kospan.json: their number, and most characters of each.
POOL, LONGEST_SHOWN = 1000, 300


def build_model(recipe: Recipe, corpus: Corpus) -> KospanGenerativeNER:
    """Build the model of a recipe: the trained one in `encoder`, a folder with `kospan.json`, or a new one."""
    seed = int(recipe.trainer.get("seed", 42))
    torch.manual_seed(seed)
    random.seed(seed)
    if recipe.encoder != "scratch" and (Path(locate(recipe.encoder)) / NAME).is_file():
        generator = continued_model(recipe)
        check_same_labels(generator.config.labels, corpus.labels, recipe.encoder)
        return generator
    config = new_config(recipe, corpus)
    train = corpus.splits["train"]
    if recipe.encoder == "scratch":
        # The vocabulary holds all characters of a fixed prompt; a pool of examples counts as training texts.
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
    generator = KospanGenerativeNER(model, tokenizer, config)
    generator.fix_date(prompt_date(recipe))
    if recipe.max_new_tokens is None:
        generator.config.max_new_tokens = default_max_new_tokens(generator, train)
    # Raises if prompt and reply do not fit into the context.
    _ = generator.room
    return generator


def default_max_new_tokens(generator: KospanGenerativeNER, train: Sequence[Example]) -> int:
    """Return the default of `max_new_tokens`.

    It is a quarter more than the longest reply about a training text, its end included, but at most half of the context
    beside the prompt: long texts are split into windows.
    """
    longest = max(len(generator.ids_of(whole_reply(example))) for example in train)
    wanted = 1 + longest + longest // 4
    if generator.context is not None:
        wanted = min(wanted, (generator.context - sum(map(len, generator.frame))) // 2)
    return max(16, wanted)


def new_config(recipe: Recipe, corpus: Corpus) -> KospanGenerativeNERConfig:
    """Build the config of a new model, without the settings that depend on the tokenizer."""
    labels, train = list(corpus.labels), corpus.splits["train"]
    check_writable_labels(labels)
    known = dataset_spec(recipe.dataset)
    language = known.language or language_of(train)
    described = {clean_label(str(label)): str(text) for label, text in recipe.label_descriptions.items()}
    unknown = sorted(described.keys() - set(labels))
    if unknown:
        raise ValueError(
            f"expected label_descriptions of the labels {', '.join(labels)}, got {unknown[0]!r}; correct the name"
        )
    similar = recipe.few_shot_strategy == "similar"
    shown = (pool_of if similar else shown_examples)(train, recipe.few_shot)
    column = ("en", "ko").index(language)
    meanings = {label: meaning[column] for label, meaning in known.meanings.items() if label in labels}
    return KospanGenerativeNERConfig.from_recipe(
        recipe,
        labels=labels,
        descriptions=meanings | described,
        instruction=INSTRUCTIONS[language] if recipe.instruction is None else recipe.instruction,
        examples=[[composed(example.text)[0], whole_reply(example)] for example in shown],
        shown=recipe.few_shot if similar else None,
        words=list(WORDS[language]),
        unit=recipe.unit or dataset_spec(recipe.dataset).unit,
    )


def language_of(examples: Sequence[Example]) -> str:
    """Return "ko" if most letters are Hangul, else "en"."""
    letters = [letter for example in examples[:1000] for letter in example.text if letter.isalpha()]
    return "ko" if sum("가" <= letter <= "힣" for letter in letters) > len(letters) / 2 else "en"


def shown_examples(examples: Sequence[Example], count: int) -> list[Example]:
    """Choose examples for the prompt: each the shortest of those with most types that no earlier one shows.

    Raises:
        ValueError: There are too few.
    """
    if count >= len(examples):
        raise ValueError(
            f"expected few_shot below the {len(examples):,} training examples, got {count}; show fewer, or add texts"
        )
    chosen: list[Example] = []
    candidates = sorted(examples, key=lambda example: (len(example.text), example.id))
    shown: set[str] = set()
    while len(chosen) < count:
        best = max(candidates, key=lambda example: len({span.label for span in example.spans} - shown))
        chosen.append(best)
        candidates.remove(best)
        shown |= {span.label for span in best.spans}
    return chosen


def pool_of(examples: Sequence[Example], count: int) -> list[Example]:
    """Return the examples from which a prompt chooses `count`.

    They are different texts of up to 300 characters, 1,000 at most, spread evenly.

    Raises:
        ValueError: There are too few; a text is no example for itself.
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
    """Check the labels of a model that is trained further.

    Raises:
        ValueError: The data have a label that the model does not know.
    """
    unknown = [label for label in asked if label not in own]
    if unknown:
        raise ValueError(
            f"expected labels that the model {name} knows ({', '.join(own)}), got {unknown[0]!r}; rename the label, "
            "or train a new model from a base model"
        )


def window_reply(example: Example, places: Sequence[tuple[int, int]], window) -> str:
    """Return the gold reply about a window.

    Args:
        example: The document.
        places: `(start, end)` in its text of each composed character.
        window: A window of the composed text.
    """
    inside = []
    starts = range(window.start, window.start + len(window.text))
    for span in example.spans or ():
        held = [at for at in starts if places[at][0] < span.end and places[at][1] > span.start]
        # A span that the window cuts belongs to the window that holds all of it.
        if held and places[held[0]][0] <= span.start and places[held[-1]][1] >= span.end:
            inside.append(Span(held[0] - window.start, held[-1] + 1 - window.start, span.label))
    return write_reply(entities_of(window.text, inside))


def whole_reply(example: Example) -> str:
    """Return the gold reply about a whole text."""
    text, places = composed(example.text)
    return window_reply(example, places, PromptWindow(0, text, (0, len(text)), []))
