"""The Space of a model: the page's files, a copy of modeling/ as `kospan.modeling`, and the model's name."""

import json
import os
import re
import shutil
from pathlib import Path

from kospan import modeling
from kospan.modeling.base_models import NEEDS

REPOSITORY = Path(modeling.__file__).resolve().parent.parent
PUBLISHED = {".py", ".css", ".md", ".txt", ".json", ".js", ".html"}


def prepare_space(
    target: str | os.PathLike, model: str, repository: str | os.PathLike = REPOSITORY, *, adapter: bool = False
) -> list[str]:
    """Write the Space of a model to a folder.

    Args:
        target: An empty folder.
        model: `user/name` of the model that it serves.
        repository: A clone of the repository, with space/ and modeling/.
        adapter: Whether the model is an adapter, which needs peft.

    Returns:
        The paths of its files, sorted.

    Raises:
        FileNotFoundError: If there is no space/ folder: only a clone of the repository has it.
    """
    page, target = Path(repository) / "space", Path(target)
    if not (page / "app.py").is_file():
        raise FileNotFoundError(f"expected the Space's files in {page}, found none; push it from a clone")
    code = target / "kospan" / "modeling"
    for source, folder in ((page, target), (Path(repository) / "modeling", code)):
        folder.mkdir(parents=True, exist_ok=True)
        for path in source.iterdir():
            if path.is_file() and path.suffix in PUBLISHED and path.name != "space.json":
                shutil.copyfile(path, folder / path.name)
    # The Space has the model code alone, under its usual name.
    (target / "kospan" / "__init__.py").touch()
    (target / "space.json").write_text(json.dumps({"model": model}, indent=2) + "\n", encoding="utf-8")
    if adapter:
        with open(target / "requirements.txt", "a", encoding="utf-8") as file:
            file.write(f"{NEEDS}\n")
    card = (target / "README.md").read_text(encoding="utf-8")
    card = re.sub(r"^models:.*$", f"models: [{model}]", card, count=1, flags=re.MULTILINE)
    (target / "README.md").write_text(card, encoding="utf-8")
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
