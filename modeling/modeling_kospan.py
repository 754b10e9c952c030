"""Base class of kospan's models: an encoder built from its config, its own tokenizer, and freezing."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import SAFE_WEIGHTS_NAME, ModelOutput, cached_file

from .alignment import Aligner, aligner_settings
from .bilstm import MaskedBiLSTM
from .character_ngrams import NGRAM_FILE, CharacterNgrams
from .code_files import (
    LOCATION_KEYS,
    check_safetensors,
    follow_umask,
    is_remote_code,
    make_tokenizer_portable,
    read_extra_files,
    save_extra_files,
)
from .configuration_kospan import KospanConfig, PipelineTasks
from .crf import CRF
from .encoders import build_encoder, load_encoder
from .int8_weights import restored_weights
from .pipeline_base import PipelineOwner
from .settings import encoder_limit
from .window_batches import WindowBatches

try:  # Version 5 marks weights loaded from a checkpoint; only its own functions respect the mark.
    from transformers import initialization as init
except ImportError:
    from torch.nn import init

# Arguments of save_pretrained for a push.
_PUSH_KEYS = ("commit_message", "commit_description", "private", "token", "revision", "create_pr", "tags")

# Causes of a missing file, as transformers calls them.
_CAUSES = ("gated_repo", "missing_entries", "connection_errors")

# Lock for the counts of running predictions and exclusive sections; it is never held while a model runs.
_TURNS = threading.Condition()


class WindowInspection(NamedTuple):
    """Subwords and attention of one window.

    Args:
        subwords: The subwords' names, special tokens included `(length)`.
        offsets: `(start, end)` in characters of the text; `(0, 0)` for a special token `(length)`.
        attentions: One tensor per layer `(heads, length, length)`, float32, on the CPU.
        first_unit: The document's unit with which the window begins.
        head_attention: Attention from unit to unit of the window, if the head has its own attention `(heads, units,
            units)`, float32, on the CPU; else None.
    """

    subwords: list[str]
    offsets: list[tuple[int, int]]
    attentions: list[torch.Tensor]
    first_unit: int = 0
    head_attention: torch.Tensor | None = None


class EmissionsOutput(ModelOutput):
    """Base of outputs whose scores are not `logits` for a loss over classes."""

    def __getitem__(self, key):
        """Return an item as in transformers.

        Raises:
            ValueError: If `logits` are requested, as by the Trainer's label smoothing.
        """
        if key == "logits":
            raise ValueError(
                f"expected a request for loss or emissions of {type(self).__name__}, got one for logits, which it does "
                "not have; transformers' Trainer asks for them with label smoothing: set label_smoothing_factor to 0"
            )
        return super().__getitem__(key)


class KospanPreTrainedModel(WindowBatches, PipelineOwner, PreTrainedModel):
    """Base of kospan's models, with `self.encoder`, `self.tokenizer` and `self.aligner`."""

    config_class = KospanConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flash_attn_2 = True
    _supports_attention_backend = True
    _keep_in_fp32_modules = ["crf"]
    _keep_in_fp32_modules_strict = ["crf"]

    def __init__(self, config: KospanConfig):
        super().__init__(config)
        self.encoder = build_encoder(config.encoder_config)
        self.tokenizer, self._tokenizer_problem = None, ""
        self._aligner, self._aligner_settings = None, None
        self.ngrams: CharacterNgrams | None = None
        self._encoder_is_frozen = False
        # Type of the encoder's states where it differs from the encoder's own, see `set_encoder_dtype`.
        self._states_dtype: torch.dtype | None = None
        # While a head is trained on a frozen encoder: cached states of a window `(length, hidden)`, or None if there
        # are none. Never saved.
        self.state_source: Callable[[Mapping], np.ndarray | None] | None = None
        self._extra_files: dict[str, str] = {}
        self._readers, self._switched, self._mode_before = 0, False, False

    # --- loading and saving -------------------------------------------------------------------------------------------

    @classmethod
    def from_encoder(cls, name: str, config: KospanConfig, tokenizer, **kwargs) -> "KospanPreTrainedModel":
        """Build a new model over a pretrained encoder.

        Args:
            name: Name on the Hub, or a folder.
            config: The model's config; its `encoder_config` is replaced by the encoder's own.
            tokenizer: The encoder's fast tokenizer.
            **kwargs: Arguments of `AutoModel.from_pretrained`.
        """
        encoder = load_encoder(name, config=config.encoder_config, **kwargs)
        config.encoder_config = encoder.config
        model = cls(config)
        model.encoder = encoder
        model.tokenizer = tokenizer
        model.prepare()
        return model

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """Load a model as in transformers; the tokenizer of the same source becomes `model.tokenizer`.

        Weights are read from safetensors alone: a pickle can run code when it is opened. Those stored as int8 are
        restored to the type that others load in, see `int8_weights.py`.

        Raises:
            ValueError: If a folder holds weights only as pickles, or as `restored_weights`.
        """
        location = {key: kwargs[key] for key in LOCATION_KEYS if kwargs.get(key) is not None}
        check_safetensors(pretrained_model_name_or_path, kwargs.get("subfolder"))
        kwargs["use_safetensors"] = True
        place, kwargs = cls._restored(pretrained_model_name_or_path, location, kwargs)
        loaded = super().from_pretrained(place, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if place is None:
            model.name_or_path = model.config.name_or_path = pretrained_model_name_or_path
        model.reset_buffers()
        try:
            # With the config the repository is not accessed again, and trust is not requested twice.
            model.tokenizer = AutoTokenizer.from_pretrained(
                pretrained_model_name_or_path, config=model.config, trust_remote_code=False, **location
            )
        except (OSError, ValueError) as error:
            # Weights alone can still be trained and saved; methods for texts report the missing tokenizer.
            model.tokenizer = None
            model._tokenizer_problem = f" that can be read ({' '.join(str(error).split())[:200]})"
        if getattr(model.config, "ngram_count", 0):
            path = cached_file(pretrained_model_name_or_path, NGRAM_FILE, **location)
            model.ngrams = CharacterNgrams.load(path, model.config.ngram_count)
        if is_remote_code():
            # Read now, while the repository is available: saving must not depend on it.
            location.pop("subfolder", None)
            location["revision"] = getattr(model.config, "_commit_hash", None) or location.get("revision")
            model._extra_files = read_extra_files(pretrained_model_name_or_path, **location)
        return loaded

    @classmethod
    def _restored(cls, name, location: dict, kwargs: dict) -> tuple:
        """Return name and arguments for transformers: the weights themselves in place of the name if they are int8."""
        if name is None or kwargs.get("variant") or kwargs.get("state_dict") is not None:
            return name, kwargs
        # transformers explains why a file is missing.
        quiet = dict.fromkeys((f"_raise_exceptions_for_{each}" for each in _CAUSES), False)
        path = cached_file(name, SAFE_WEIGHTS_NAME, **quiet, **location)
        weights = None if path is None else restored_weights(path)
        if weights is None:
            return name, kwargs
        config = kwargs.pop("config", None)
        if not isinstance(config, PretrainedConfig):
            types = {key: kwargs.pop(key) for key in ("dtype", "torch_dtype") if key in kwargs}
            config, kwargs = cls.config_class.from_pretrained(config or name, return_unused_kwargs=True, **kwargs)
            kwargs |= types
        kwargs = {key: each for key, each in kwargs.items() if key not in LOCATION_KEYS}
        return None, {**kwargs, "config": config, "state_dict": weights}

    def save_pretrained(self, save_directory, *, push_to_hub: bool = False, **kwargs):
        """Save the model as in transformers, with all files needed to use the folder.

        Beside the weights are the tokenizer, in a form that version 4.51 reads as well; the model's code and its
        pipeline, which the config names; `handler.py` and `requirements.txt` for an Inference Endpoint. An existing
        `requirements.txt` is kept. Warns where a model that was loaded without its `handler.py` cannot pass it on.

        Raises:
            ValueError: If layers were quantised by torch, whose packed weights safetensors cannot hold.
        """
        packed = next((key for key, each in self.state_dict().items() if not isinstance(each, torch.Tensor)), None)
        if packed is not None:
            raise ValueError(
                f"expected a model whose weights are tensors to save, got packed ones at {packed} "
                "(quantize_dynamic); save the model before it is quantised, and quantise it after loading"
            )
        # Saving registers one auto class; plain AutoModel is added here.
        own = f"{type(self).__module__.rpartition('.')[2]}.{type(self).__name__}"
        self.config.auto_map = {**(getattr(self.config, "auto_map", None) or {}), "AutoModel": own}
        self.name_pipelines()
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(save_directory)
                make_tokenizer_portable(os.path.join(save_directory, "tokenizer_config.json"))
            if self.ngrams is not None:
                self.ngrams.save(save_directory)
            save_extra_files(save_directory, self._extra_files)
            follow_umask(save_directory)
        if push_to_hub:
            # The parent's own push would happen before the files above are written.
            repo_id = kwargs.get("repo_id") or os.path.basename(os.path.normpath(save_directory))
            self.push_to_hub(repo_id, **{key: kwargs[key] for key in _PUSH_KEYS if kwargs.get(key) is not None})

    def name_pipelines(self) -> None:
        """Store the class of `pipelines.py` that serves the model's task in the config."""
        if self._pipeline_class is not None:
            autos = [self._auto_class] if self._auto_class else []
            entry = {"impl": f"pipelines.{self._pipeline_class.__name__}", "pt": autos, "tf": [], "type": "text"}
            self.config.custom_pipelines = PipelineTasks({self._pipeline_class.task_name: entry})

    def prepare(self) -> None:
        """Read constants of a new model from encoder and tokenizer."""

    def reset_buffers(self) -> None:
        """Restore buffers that no checkpoint stores. A model without such buffers has nothing to do."""

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise weights as in transformers; the CRF's parameters get small uniform scores."""
        if isinstance(module, CRF):
            for parameter in module.parameters(recurse=False):
                init.uniform_(parameter, -0.1, 0.1)
        else:
            super()._init_weights(module)

    # --- encoder ------------------------------------------------------------------------------------------------------

    def get_input_embeddings(self) -> nn.Module:
        """Return the encoder's table of word embeddings."""
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the encoder's table of word embeddings."""
        self.encoder.set_input_embeddings(value)

    def freeze_encoder(self) -> None:
        """Turn off gradient and dropout in the encoder, through all later `train()` calls."""
        self._encoder_is_frozen = True
        self.encoder.requires_grad_(False)
        self.encoder.zero_grad()
        self.encoder.eval()

    def train(self, mode: bool = True) -> "KospanPreTrainedModel":
        """Set the mode as in torch; a frozen encoder stays in evaluation mode."""
        if not getattr(self, "_encoder_is_frozen", False):
            return super().train(mode)
        # A trainer calls this in each step, and visiting the encoder's modules takes longer than a small head.
        if self.encoder.training:
            self.encoder.eval()
        self.training = mode
        for child in self.children():
            if child is not self.encoder:
                child.train(mode)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset gradients as in torch, without visiting a frozen encoder."""
        if not self._encoder_is_frozen:
            return super().zero_grad(set_to_none)
        for child in self.children():
            if child is not self.encoder:
                child.zero_grad(set_to_none)

    def set_encoder_dtype(self, dtype: torch.dtype) -> None:
        """Convert the encoder to a type; LSTM and head keep theirs, which are given states in their own type."""
        self._states_dtype = self.dtype if self._states_dtype is None else self._states_dtype
        self.encoder.to(dtype)

    def encode(self, encoder_states: torch.Tensor | None = None, **inputs):
        """Run the encoder, or wrap states that it has computed before.

        Args:
            encoder_states: Last states of the encoder `(batch, length, hidden)`, any float type, in place of
                `input_ids`: the encoder does not run.
            **inputs: Inputs of the encoder; None values are not passed on.

        Raises:
            ValueError: If there is not exactly one of `input_ids`, `inputs_embeds` and `encoder_states`, where the
                states have another shape, or if other outputs are requested.
        """
        given = [name for name in ("input_ids", "inputs_embeds") if inputs.get(name) is not None]
        given += ["encoder_states"] * (encoder_states is not None)
        if len(given) != 1:
            raise ValueError(
                f"expected one of input_ids, inputs_embeds and encoder_states, got {' and '.join(given) or 'none'}; "
                "encoder_states replace input_ids, so pass the one that the batch was made for"
            )
        if encoder_states is None:
            found = self.encoder(**{key: each for key, each in inputs.items() if each is not None}, return_dict=True)
            if self._states_dtype is not None:
                found.last_hidden_state = found.last_hidden_state.to(self._states_dtype)
            return found
        width = self.config.encoder_config.hidden_size
        if encoder_states.dim() != 3 or encoder_states.shape[2] != width:
            raise ValueError(
                f"expected encoder_states (batch, length, {width}), got {tuple(encoder_states.shape)}; make them "
                "with this encoder"
            )
        if inputs.get("output_hidden_states") or inputs.get("output_attentions"):
            raise ValueError(
                "expected input_ids beside output_hidden_states or output_attentions, got encoder_states, with which "
                "the encoder does not run; pass input_ids"
            )
        return BaseModelOutput(last_hidden_state=encoder_states.to(self.dtype))

    def task_loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute the mean loss of a batch with labels, without any other output of `forward`."""
        return self(**batch).loss

    # --- between encoder and head -------------------------------------------------------------------------------------

    def add_lstm(self, config, width: int) -> int:
        """Add an LSTM over units if the config has one, and return the width of its output."""
        self.lstm_dropout = nn.Dropout(config.lstm_dropout)
        self.recurrent = None
        if not config.lstm_hidden_size:
            return width
        self.recurrent = MaskedBiLSTM(width, config.lstm_hidden_size, config.lstm_layers, config.lstm_dropout)
        return 2 * config.lstm_hidden_size

    def gather_units(
        self, states: torch.Tensor, unit_positions: torch.Tensor, unit_places: torch.Tensor | None
    ) -> torch.Tensor:
        """Gather encoder states `(batch, length, hidden)` to unit states `(batch, units, hidden)`.

        If the model has place embeddings, each unit gets that of its place inside its subword.
        """
        rows = torch.arange(states.shape[0], device=states.device).unsqueeze(1)
        units = states[rows, unit_positions.clamp(min=0)]
        if self.place_embedding is None:
            return units
        places = torch.zeros_like(unit_positions) if unit_places is None else unit_places.clamp(min=0)
        return units + self.place_embedding(places)

    # --- text ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def evaluating(self, exclusive: bool = False):
        """Set evaluation mode inside the context, also for several threads, and restore the previous mode.

        Args:
            exclusive: Wait until no other thread predicts, and let none begin, for sections that change the model.
        """
        with _TURNS:
            _TURNS.wait_for(lambda: not self._switched and not (exclusive and self._readers))
            if not self._readers:
                self._mode_before = self.training
            self._readers += 1
            self._switched = exclusive
            self.eval()
        try:
            yield
        finally:
            with _TURNS:
                self._readers -= 1
                self._switched = False
                if not self._readers:
                    self.train(self._mode_before)
                _TURNS.notify_all()

    @property
    def aligner(self) -> Aligner:
        """Aligner with the config's settings.

        Raises:
            ValueError: If the model has no tokenizer.
        """
        if self.tokenizer is None:
            raise ValueError(
                f"expected a tokenizer beside the model, got none{self._tokenizer_problem}; load the model from a "
                "folder that holds one, or set model.tokenizer = AutoTokenizer.from_pretrained(...)"
            )
        config, settings = self.config, aligner_settings(self.config, self.ngrams)
        if self._aligner is None or self._aligner.tokenizer is not self.tokenizer or self._aligner_settings != settings:
            limit = encoder_limit(config.encoder_config)
            if limit is not None and config.max_length > limit:
                raise ValueError(
                    f"expected a window of at most {limit} positions, which is what the encoder reads, got window "
                    f"{config.max_length}; set max_length: {limit} or less"
                )
            self._aligner, self._aligner_settings = Aligner(self.tokenizer, **settings), settings
        return self._aligner
