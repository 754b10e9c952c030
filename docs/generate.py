"""mkdocs hook: fill in the parts of pages that are generated from the code.

A line `<!-- generated: NAME -->` of a page is replaced by the Markdown that `GENERATED[NAME]` gives.
"""

import argparse
import inspect
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
TASK_ORDER = ["token-classification", "question-answering", "text-classification", "generative-ner", "pretraining"]
MARKER = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_) -> str:
    """The page with its generated parts; called by mkdocs for each page."""
    return MARKER.sub(lambda match: GENERATED[match[1]](), markdown)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; line breaks and bars in cells are escaped."""
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in cells
    )


def escaped(text: str) -> str:
    """Plain text as Markdown."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)


def as_yaml(value) -> str:
    """A setting's value as a recipe has it; nothing for None."""
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def recipe_keys() -> str:
    """Tables of the recipe's keys, one for each section of the dataclass."""
    from kospan.recipe import FIELDS, Recipe, default_of

    sections: dict[str, list[str]] = {}
    title = "General"
    for line in inspect.getsource(Recipe).splitlines():
        if comment := re.fullmatch(r"    # (.+)", line):
            title = comment[1][0].upper() + comment[1][1:]
        elif (key := re.match(r"    (\w+):", line)) and key[1] in FIELDS:
            sections.setdefault(title, []).append(key[1])
    parts = []
    for title, keys in sections.items():
        rows = []
        for key in keys:
            field = FIELDS[key]
            kind = field.type.__name__ if isinstance(field.type, type) else str(field.type)
            text = escaped(field.metadata["help"])
            if choices := [choice for choice in field.metadata.get("choices", ()) if choice not in text]:
                text += f" (other values: {', '.join(f'`{choice}`' for choice in choices)})"
            rows.append([f"`{key}`", f"`{kind}`", as_yaml(default_of(key)), text])
        parts.append(f"### {title}\n\n" + table(["key", "type", "default", "description"], rows))
    return "\n\n".join(parts)


def trainer_defaults() -> str:
    """The table of TrainingArguments' settings that have another default in recipes."""
    from kospan.recipe_defaults import TRAINER_DEFAULTS

    return table(["key", "default"], [[f"`{key}`", as_yaml(value)] for key, value in TRAINER_DEFAULTS.items()])


def renamed_keys() -> str:
    """The table of keys that are errors naming another key."""
    from kospan.recipe_defaults import RENAMED

    rows = [[f"`{old}`", f"`{new}`" if " " not in new else new] for old, new in RENAMED.items()]
    return table(["key", "use instead"], rows)


def study_keys() -> str:
    """The table of the keys of a study file."""
    from kospan.ablation.plan import KEYS, OUTER

    return table(["key", "meaning"], [[f"`{key}`", escaped(text)] for key, text in (KEYS | OUTER).items()])


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of all commands by name, `convert bigbird` for a command of a command."""
    from kospan.ablation.command import parser as ablate_parser
    from kospan.cli import build_parser

    found: dict[str, argparse.ArgumentParser] = {}

    def walk(parser: argparse.ArgumentParser, name: str) -> None:
        nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for action in nested:
            for word, child in action.choices.items():
                walk(child, f"{name} {word}".strip())
        if not nested:
            found[name] = ablate_parser() if name == "ablate" else parser

    walk(build_parser(), "")
    return found


def summaries() -> dict[str, str]:
    """One line about each command, as `kospan --help` prints it."""
    from kospan.cli import build_parser

    lines: dict[str, str] = {}

    def walk(parser: argparse.ArgumentParser, name: str) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for choice in action._choices_actions:
                    lines[f"{name} {choice.dest}".strip()] = choice.help or ""
                for word, child in action.choices.items():
                    walk(child, f"{name} {word}".strip())

    walk(build_parser(), "")
    return lines


def cli() -> str:
    """A section for each command: what it does, its arguments and options."""
    about = summaries()
    parts = []
    for name, parser in commands().items():
        summary = about.get(name, "")
        text = parser.description or (summary[:1].upper() + summary[1:] + "." if summary else "")
        rows = []
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction) or action.nargs == argparse.REMAINDER:
                continue
            flags = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{action.metavar or action.dest}`"
            shown = action.default not in (None, False, argparse.SUPPRESS) and "default" not in (action.help or "")
            default = f" (default: `{action.default}`)" if shown else ""
            choices = f"; one of {', '.join(f'`{choice}`' for choice in action.choices)}" if action.choices else ""
            rows.append([flags, escaped(action.help or "") + choices + default])
        part = f"## kospan {name}\n\n{escaped(text)}"
        if name == "train":
            usage = "kospan train [RECIPE.yaml] [--key value ...]"
            part += f"\n\n```text\n{usage}\n```\n\nThe keys are the [recipe keys](recipe.md)."
        if rows:
            part += "\n\n" + table(["argument", "description"], rows)
        parts.append(part)
    return "\n\n".join(parts)


def dataset_table() -> str:
    """The table of public data sets."""
    from kospan.data.registry import DATASETS, DatasetSpec

    rows = []
    for name, spec in DATASETS.items():
        if spec.title == DatasetSpec.title:
            continue
        hub = f"[Hub](https://huggingface.co/datasets/{spec.hub})" if spec.hub else "Hub"
        places = [hub if name != "sample" else "package"] if spec.read_set else []
        places += ["file"] if spec.read_file else []
        what = spec.title + (f": {spec.texts[0]}" if spec.texts[0] else "") + (" †" if spec.format_tested else "")
        licence = f"**{spec.terms[0]}**" if spec.restricted else spec.terms[0] or spec.licence or ""
        rows.append([f"`{name}`", what, spec.language or "", spec.unit, " or ".join(places), licence])
    return table(["name", "contents", "language", "unit", "source", "licence"], rows)


def dataset_labels() -> str:
    """The table of label meanings."""
    from kospan.data.registry import DATASETS

    rows = []
    for name, spec in DATASETS.items():
        if len(spec.meanings) > 1:
            meanings = "; ".join(f"`{label}` {meaning[0]}" for label, meaning in spec.meanings.items())
            rows.append([f"`{name}`", meanings])
    return table(["data set", "labels"], rows)


def recipes() -> str:
    """The shipped recipes by task, each with the comment at its top."""
    parts: dict[str, list[str]] = {}
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = re.match(r"(?:#.*\n)*", text)[0]
        comment = " ".join(line.removeprefix("#").strip() for line in head.splitlines() if not line.startswith("#  "))
        commands = "".join(
            f"```bash\n{line[1:].strip()}\n```\n\n" for line in head.splitlines() if line.startswith("#  ")
        )
        task = yaml.safe_load(text)["task"]
        name = f"recipes/{path.name}"
        parts.setdefault(task, []).append(
            f'### {path.stem}\n\n{comment}\n\n{commands}```yaml title="{name}"\n{text.removeprefix(head).strip()}\n```'
        )
    order = sorted(parts, key=TASK_ORDER.index)
    return "\n\n".join(f"## {task}\n\n" + "\n\n".join(parts[task]) for task in order)


def included(name: str) -> str:
    """A document of the repository's root; links to files outside docs/ become plain text."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]

    def link(match: re.Match) -> str:
        words, target = match.groups()
        if re.match(r"https?:|#", target):
            return match[0]
        return f"[{words}]({target.removeprefix('docs/')})" if target.startswith("docs/") else words

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", link, text)


GENERATED = {
    "recipe-keys": recipe_keys,
    "trainer-defaults": trainer_defaults,
    "renamed-keys": renamed_keys,
    "study-keys": study_keys,
    "cli": cli,
    "datasets": dataset_table,
    "dataset-labels": dataset_labels,
    "recipes": recipes,
    "contributing": lambda: included("CONTRIBUTING.md"),
    "security": lambda: included("SECURITY.md"),
    "changelog": lambda: included("CHANGELOG.md"),
}
