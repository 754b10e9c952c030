"""What is needed to use a model: public names, and their registration with transformers' auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification

from .configuration_span import SpanTaggerConfig
from .crf import CRF
from .modeling_tagger import SpanTagger
from .pipelines import SpanTaggerPipeline
from .spans import Span

AutoConfig.register(SpanTaggerConfig.model_type, SpanTaggerConfig)
AutoModel.register(SpanTaggerConfig, SpanTagger)
AutoModelForTokenClassification.register(SpanTaggerConfig, SpanTagger)

__all__ = ["CRF", "Span", "SpanTagger", "SpanTaggerConfig", "SpanTaggerPipeline"]
