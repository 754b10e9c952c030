"""All targets by name."""

from fuzz import alignment, converters, corpora, endpoint, folders, masks, options, readers, replies
from fuzz.cases import Target

MODULES = (readers, converters, alignment, replies, options, endpoint, corpora, masks, folders)
TARGETS: dict[str, Target] = {name: target for module in MODULES for name, target in module.TARGETS.items()}
