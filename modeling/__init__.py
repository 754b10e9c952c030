"""What is needed to use a model: public names, and their registration with transformers' auto classes."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from .configuration_kospan import (
    KospanQuestionAnsweringConfig,
    KospanSequenceClassificationConfig,
    KospanTokenClassificationConfig,
)
from .crf import CRF
from .modeling_generative_ner import KospanGenerativeNER, KospanGenerativeNERConfig
from .modeling_question_answering import KospanForQuestionAnswering
from .modeling_sequence_classification import KospanForSequenceClassification
from .modeling_token_classification import KospanForTokenClassification
from .pipelines import (
    KospanQuestionAnsweringPipeline,
    KospanTextClassificationPipeline,
    KospanTokenClassificationPipeline,
)
from .spans import Span

AutoConfig.register(KospanTokenClassificationConfig.model_type, KospanTokenClassificationConfig)
AutoModel.register(KospanTokenClassificationConfig, KospanForTokenClassification)
AutoModelForTokenClassification.register(KospanTokenClassificationConfig, KospanForTokenClassification)
AutoConfig.register(KospanQuestionAnsweringConfig.model_type, KospanQuestionAnsweringConfig)
AutoModel.register(KospanQuestionAnsweringConfig, KospanForQuestionAnswering)
AutoModelForQuestionAnswering.register(KospanQuestionAnsweringConfig, KospanForQuestionAnswering)
AutoConfig.register(KospanSequenceClassificationConfig.model_type, KospanSequenceClassificationConfig)
AutoModel.register(KospanSequenceClassificationConfig, KospanForSequenceClassification)
AutoModelForSequenceClassification.register(KospanSequenceClassificationConfig, KospanForSequenceClassification)

__all__ = [
    "CRF",
    "KospanForQuestionAnswering",
    "KospanForSequenceClassification",
    "KospanForTokenClassification",
    "KospanGenerativeNER",
    "KospanGenerativeNERConfig",
    "KospanQuestionAnsweringConfig",
    "KospanQuestionAnsweringPipeline",
    "KospanSequenceClassificationConfig",
    "KospanTextClassificationPipeline",
    "KospanTokenClassificationConfig",
    "KospanTokenClassificationPipeline",
    "Span",
]
