"""`KospanTrainer`: transformers' Trainer with FGM, R-Drop, rates by name, and evaluation over whole documents.

It extends the Trainer through its seams only. Everything off, it is the stock Trainer.
"""

import contextlib
import math
from collections.abc import Callable

import torch
from accelerate.utils import DistributedType
from transformers import Trainer
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint

from .adapter_trainer import AdaptedTrainer
from .adversarial import FGM
from .arguments import check_model
from .cached_features import FeatureCache
from .learning_rates import RateGroup, check_fragments, check_rates, rate_groups
from .loss_parts import LossParts
from .pushing import PushingTrainer
from .rdrop import double
from .search import SearchingTrainer


class KospanTrainer(SearchingTrainer, PushingTrainer, AdaptedTrainer, Trainer):
    """
    Args:
        predict: `(model, documents) -> (documents, spans, 4)` float32 padded with -100: start, end, label id, score.
            It is
            called in evaluation, where a batch holds documents and not features.
        score: `(indices, predicted) -> dict[str, float]`: metrics from what `predict` gave, rows found by index.
        evaluation_collate: Makes a batch of documents: `{"documents": list, "index": tensor}`.
        validation_loss: Gives the loss on validation data, `eval_loss` beside the metrics; None gives none.
        divergence: R-Drop's callable, called inside the model's forward; None turns R-Drop off.
        rdrop_on: With FGM, "clean" (the adversarial pass runs once on the single batch) or "both".
        fgm_epsilon: Size of the perturbation; 0 turns FGM off.
        fgm_space: "activation" or "parameter".
        fgm_lambda: Weight of the adversarial loss.
        learning_rates: Rate or factor by name fragment; empty keeps the Trainer's own groups.
        states: SavedScores states of a frozen encoder; None runs it in each step.
        check_checkpoint: Raises where the checkpoint to resume from, whose folder it takes, is another model's.
        **kwargs: What Trainer takes.
    """

    def __init__(
        self,
        *args,
        predict: Callable | None = None,
        score: Callable | None = None,
        evaluation_collate: Callable | None = None,
        validation_loss: Callable | None = None,
        divergence: Callable | None = None,
        rdrop_on: str = "clean",
        fgm_epsilon: float = 0.0,
        fgm_space: str = "activation",
        fgm_lambda: float = 1.0,
        learning_rates: dict | None = None,
        states: FeatureCache | None = None,
        check_checkpoint: Callable | None = None,
        **kwargs,
    ):
        if score is not None:
            kwargs.setdefault("compute_metrics", self._compute_span_metrics)
        super().__init__(*args, **kwargs)
        self.predict_spans, self.score_spans, self.evaluation_collate = predict, score, evaluation_collate
        self.validation_loss, self.divergence, self.rdrop_on = validation_loss, divergence, rdrop_on
        self.states, self.check_checkpoint = states, check_checkpoint
        self.learning_rates = check_rates(learning_rates or {})
        check_fragments(self.learning_rates, (name for name, _ in self.model.named_parameters()))
        self.rate_groups: list[RateGroup] = []
        self.fgm: FGM | None = None
        self.fgm_lambda = fgm_lambda
        self._is_adversarial = False
        self._parts = LossParts()
        if fgm_epsilon < 0 or not math.isfinite(fgm_epsilon):
            raise ValueError(f"expected fgm_epsilon of 0 (off) or more, got {fgm_epsilon}")
        check_model(self.args, self.model)
        if fgm_epsilon > 0:
            self._refuse_what_fgm_would_break(fgm_space)
            special = self._special_ids()
            self.fgm = FGM(self.model, fgm_epsilon, fgm_space, special)

    # --- what would be silently wrong ---------------------------------------------------------------------------------

    def _refuse_what_fgm_would_break(self, space: str) -> None:
        args, accelerator = self.args, self.accelerator
        if args.n_gpu > 1:
            raise ValueError(
                f"expected one process per GPU with FGM, got one process for {args.n_gpu} GPUs (DataParallel), whose "
                "threads would share one perturbation; start with `accelerate launch --multi_gpu train.py ...`"
            )
        if "lomo" in str(args.optim).lower():
            raise ValueError(
                "expected an optimizer that steps after the backward pass with FGM, got LOMO, which updates inside "
                "it; set optim: adamw_torch"
            )
        static = getattr(getattr(accelerator, "ddp_handler", None), "static_graph", False)
        if static or getattr(args, "ddp_static_graph", False):
            raise ValueError(
                "expected ddp_static_graph: false with FGM, got true: its two passes are two graphs; turn it off"
            )
        parallelism = getattr(accelerator, "parallelism_config", None)
        if parallelism is not None and (
            getattr(parallelism, "cp_enabled", False) or getattr(parallelism, "sp_enabled", False)
        ):
            raise ValueError(
                "expected no context or sequence parallelism with FGM, got one of them; turn it or FGM off"
            )
        sharded = accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        if sharded and space == "parameter":
            raise ValueError(
                "expected fgm_space: activation with sharded parameters (FSDP, DeepSpeed), got parameter: no process "
                "holds the whole table"
            )

    def _special_ids(self) -> tuple[int, ...]:
        tokenizer = self.processing_class
        names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")
        found = (getattr(tokenizer, name, None) for name in names)
        return tuple(sorted({each for each in found if each is not None}))

    # --- training -----------------------------------------------------------------------------------------------------

    def planned_steps(self) -> tuple[int, int]:
        """Optimizer steps in an epoch, and in all."""
        values = self.set_initial_training_values(self.args, self.get_train_dataloader())
        return values[1], values[-1]

    def train(self, resume_from_checkpoint=None, trial=None, *args, **kwargs):
        """As in the Trainer; on a frozen encoder with its states from disk, where they are kept."""
        if trial is not None and self.rebuild is not None:
            return self.train_trial(trial)
        if resume_from_checkpoint is True:
            resume_from_checkpoint = get_last_checkpoint(self.args.output_dir)
        if resume_from_checkpoint and self.check_checkpoint is not None:
            self.check_checkpoint(resume_from_checkpoint)
        with contextlib.nullcontext() if self.states is None else self.states.attached(self):
            return super().train(resume_from_checkpoint, trial, *args, **kwargs)

    def training_step(self, model, inputs, num_items_in_batch=None):
        """One pass, or with FGM a clean and an adversarial one; the clean loss is returned and logged."""
        if self.fgm is None:
            return super().training_step(model, inputs, num_items_in_batch)
        inputs = self._prepare_inputs(inputs)
        with self._clean_pass_context(model), self.fgm.clean_pass(inputs):
            loss = super().training_step(model, dict(inputs), num_items_in_batch)
        try:
            self._is_adversarial = True
            # The pass runs on every process even where the perturbation is zero: the others wait for its gradients.
            with self.fgm.adversarial_pass(inputs):
                super().training_step(model, dict(inputs), num_items_in_batch)
        finally:
            self._is_adversarial = False
        return loss

    @contextlib.contextmanager
    def _clean_pass_context(self, model):
        """Gradients travel between processes once, after the adversarial pass, wherever that can be put off."""
        kind, state = self.accelerator.distributed_type, self.accelerator.gradient_state
        if kind == DistributedType.DEEPSPEED:
            # Its backward would step the optimizer between the two passes.
            synced = state.sync_gradients
            state._set_sync_gradients(False)
            try:
                yield
            finally:
                state._set_sync_gradients(synced)
        elif isinstance(model, torch.nn.parallel.DistributedDataParallel):
            with model.no_sync():
                yield
        else:
            yield

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The task loss, with R-Drop on a doubled batch while training."""
        doubled = (
            self.divergence is not None and model.training and not (self._is_adversarial and self.rdrop_on == "clean")
        )
        if doubled:
            inputs = {**double(inputs), "divergence": self.divergence}
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training and not self._is_adversarial:
            # The Trainer scales the loss of one process so that the mean over all is the loss of the step.
            averaged = self.args.average_tokens_across_devices and num_items_in_batch is not None
            self._parts.add(outputs, self.state.global_step, self.accelerator.num_processes if averaged else 1)
        if self._is_adversarial:
            loss = loss * self.fgm_lambda
        return (loss, outputs) if return_outputs else loss

    def log(self, logs, *args, **kwargs):
        """As in the Trainer, with FGM's strength, the loss's parts and the head's rate beside the loss."""
        if "loss" in logs:
            if self.fgm is not None:
                logs.update(self.fgm.report())
            logs.update(self._parts.report(self.state.global_step))
            if self.optimizer is not None and self.rate_groups:
                for group, settings in zip(self.rate_groups, self.optimizer.param_groups):
                    if group.name != "encoder":
                        logs[f"learning_rate_{group.name}"] = settings["lr"]
        super().log(logs, *args, **kwargs)

    # --- optimizer ----------------------------------------------------------------------------------------------------

    def get_decay_parameter_names(self, model):
        """As in the Trainer, less the CRF's scores (decay would pull them towards "every transition is alike") and the
        lengths of DoRA's weights, which are no smaller for being near zero."""
        spared = ("crf.", "lora_magnitude_vector")
        return [name for name in super().get_decay_parameter_names(model) if not any(each in name for each in spared)]

    def create_optimizer(self, model=None):
        """As in the Trainer, with groups of their own rates where `learning_rates` names any."""
        if not self.learning_rates or self.optimizer is not None:
            return super().create_optimizer(model)
        target = self.model if model is None else model
        if self.optimizer_cls_and_kwargs is not None:
            cls, settings = self.optimizer_cls_and_kwargs
        else:
            cls, settings = self.get_optimizer_cls_and_kwargs(self.args, target)
        if {"params", "model", "optimizer_dict"} & set(settings) or not isinstance(cls, type):
            raise ValueError(
                "expected an optimizer that takes parameter groups with learning_rates, got optim "
                f"{self.args.optim}, which makes its own; set optim: adamw_torch or take learning_rates out"
            )
        decayed = set(self.get_decay_parameter_names(target))
        self.rate_groups = rate_groups(
            target, self.learning_rates, self.args.learning_rate, self.args.weight_decay, decayed
        )
        groups = [
            {"params": group.parameters, "lr": group.rate, "weight_decay": group.decay} for group in self.rate_groups
        ]
        self.optimizer = cls(groups, **settings)
        return self.optimizer

    # --- evaluation over documents ------------------------------------------------------------------------------------

    def get_eval_dataloader(self, eval_dataset=None):
        """Batches of documents, in order: all of them, whatever the settings say of training's batches."""
        if self.evaluation_collate is None:
            return super().get_eval_dataloader(eval_dataset)
        # Documents are no tensors, so a batch is made in each process and neither split nor sent.
        whole = {"dispatch_batches": False, "split_batches": False, "even_batches": True}
        with (
            _changed(self, data_collator=self.evaluation_collate),
            _changed(self.args, dataloader_drop_last=False),
            _changed(self.accelerator.dataloader_config, **whole),
        ):
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset):
        """As `get_eval_dataloader`."""
        return self.get_eval_dataloader(test_dataset)

    def _get_eval_sampler(self, eval_dataset):
        # Grouping by length, set for training, would permute evaluation too; documents come sorted already.
        return None if eval_dataset is None else torch.utils.data.SequentialSampler(eval_dataset)

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ):
        """As in the Trainer, with the loss on validation data where it is asked for."""
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        if self.validation_loss is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = self.validation_loss(self)
        return output

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Documents go to `predict`, whose spans are gathered like any tensor; the labels are the documents'
        indices."""
        if "documents" not in inputs or self.predict_spans is None:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        with torch.no_grad():
            spans = self.predict_spans(self.accelerator.unwrap_model(model), inputs["documents"])
        index = inputs["index"].to(self.args.device)
        return None, spans.to(self.args.device), index

    def _compute_span_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        batches, indices = prediction.predictions, prediction.label_ids
        if not isinstance(batches, list):
            batches, indices = [batches], [indices]
        rows = {int(at): row for batch, index in zip(batches, indices) for at, row in zip(index, batch)}
        order = sorted(rows)
        return self.score_spans(order, [rows[at] for at in order])


@contextlib.contextmanager
def _changed(owner, **values):
    """Attributes of an object with other values, inside the block."""
    before = {name: getattr(owner, name) for name in values}
    try:
        for name, value in values.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
