"""What is needed to use a model: public names, and their registration with transformers' auto classes."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from .configuration_span import SpanClassifierConfig, SpanReaderConfig, SpanTaggerConfig
from .crf import CRF
from .modeling_classifier import SpanClassifier
from .modeling_reader import SpanReader
from .modeling_tagger import SpanTagger
from .modeling_writer import SpanWriter, WriterConfig
from .pipelines import SpanClassifierPipeline, SpanReaderPipeline, SpanTaggerPipeline
from .spans import Span

AutoConfig.register(SpanTaggerConfig.model_type, SpanTaggerConfig)
AutoModel.register(SpanTaggerConfig, SpanTagger)
AutoModelForTokenClassification.register(SpanTaggerConfig, SpanTagger)
AutoConfig.register(SpanReaderConfig.model_type, SpanReaderConfig)
AutoModel.register(SpanReaderConfig, SpanReader)
AutoModelForQuestionAnswering.register(SpanReaderConfig, SpanReader)
AutoConfig.register(SpanClassifierConfig.model_type, SpanClassifierConfig)
AutoModel.register(SpanClassifierConfig, SpanClassifier)
AutoModelForSequenceClassification.register(SpanClassifierConfig, SpanClassifier)

__all__ = [
    "CRF",
    "Span",
    "SpanClassifier",
    "SpanClassifierConfig",
    "SpanClassifierPipeline",
    "SpanReader",
    "SpanReaderConfig",
    "SpanReaderPipeline",
    "SpanTagger",
    "SpanTaggerConfig",
    "SpanTaggerPipeline",
    "SpanWriter",
    "WriterConfig",
]
