"""Classes for `transformers.pipeline`, under the names in `custom_pipelines` of a saved config."""

from .input_checks import as_list  # noqa: F401  (transformers 4.51 copies only files that are imported here)
from .pipeline_base import KospanPipeline
from .pipeline_question_answering import KospanQuestionAnsweringPipeline
from .pipeline_text_classification import KospanTextClassificationPipeline
from .pipeline_token_classification import KospanTokenClassificationPipeline
from .tags import labels_of  # noqa: F401  (as above)
from .words import words  # noqa: F401  (as above)

# Name of the task in transformers -> class.
PIPELINES: dict[str, type[KospanPipeline]] = {
    each.task_name: each
    for each in (KospanTokenClassificationPipeline, KospanQuestionAnsweringPipeline, KospanTextClassificationPipeline)
}
