"""The models' classes for transformers' `pipeline`, by the names that `custom_pipelines` of a saved config has."""

from .checks import as_list  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .pipeline_base import SpanPipeline
from .pipeline_classifier import SpanClassifierPipeline
from .pipeline_reader import SpanReaderPipeline
from .pipeline_tagger import SpanTaggerPipeline
from .tags import labels_of  # noqa: F401  (as above)
from .words import words  # noqa: F401  (as above)

# By transformers' name of the task.
PIPELINES: dict[str, type[SpanPipeline]] = {
    each.task_name: each for each in (SpanTaggerPipeline, SpanReaderPipeline, SpanClassifierPipeline)
}
