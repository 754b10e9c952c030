"""What a report shows of each kind of model: a new one is a module, its templates, and a line in `KINDS`.

Such a module has `lead`, `draw` and `data`, and says in `ABOUT` what the metrics count, in `CONFIDENCE` what the
confidences are, in `LOOKED` what a look inside shows. Its name names its templates: `NAME_errors.html.jinja`,
`NAME_examples.html.jinja`, and `NAME.js`, which `report.js` builds on.
"""

from types import ModuleType

from kospan.modeling import (
    KospanGenerativeNERConfig,
    KospanQuestionAnsweringConfig,
    KospanSequenceClassificationConfig,
    KospanTokenClassificationConfig,
)
from kospan.report import question_answering, text_classification, token_classification

KINDS = {
    KospanTokenClassificationConfig.model_type: token_classification,
    KospanGenerativeNERConfig.model_type: token_classification,
    KospanQuestionAnsweringConfig.model_type: question_answering,
    KospanSequenceClassificationConfig.model_type: text_classification,
}


def kind_of(model_type: str) -> ModuleType:
    """The module for models with this type in their config.

    Raises: ValueError where there is none.
    """
    if model_type not in KINDS:
        raise ValueError(
            f"expected a model of a kind that a report shows ({', '.join(KINDS)}), got {model_type!r}; use kospan "
            "evaluate"
        )
    return KINDS[model_type]
