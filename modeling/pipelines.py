"""The models' classes for transformers' `pipeline`, by the names that `custom_pipelines` of a saved config has."""

from .input_checks import as_list  # noqa: F401  (transformers 4.51 copies from a folder only what this file names itself)
from .pipeline_base import KospanPipeline
from .pipeline_question_answering import KospanQuestionAnsweringPipeline
from .pipeline_text_classification import KospanTextClassificationPipeline
from .pipeline_token_classification import KospanTokenClassificationPipeline
from .tags import labels_of  # noqa: F401  (as above)
from .words import words  # noqa: F401  (as above)

# By transformers' name of the task.
PIPELINES: dict[str, type[KospanPipeline]] = {
    each.task_name: each
    for each in (KospanTokenClassificationPipeline, KospanQuestionAnsweringPipeline, KospanTextClassificationPipeline)
}
