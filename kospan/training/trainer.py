"""`KospanTrainer`: transformers' Trainer with FGM, R-Drop, learning rates by name, and evaluation of documents."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import DistributedType, gather_object
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput, HubStrategy, get_last_checkpoint

from kospan.modeling.code_files import follow_umask
from kospan.modeling.rdrop import double
from kospan.task import Task
from kospan.training.adapter_checkpoint import check_adapters, check_unsharded, restore, save_adapters
from kospan.training.adversarial import FGM, check_fgm, without_gradient_sync
from kospan.training.arguments import check_model
from kospan.training.batch_halving import BatchHalving, evaluation_memory
from kospan.training.data_files import DataFiles
from kospan.training.feature_cache import FeatureCache
from kospan.training.learning_rates import (
    LearningRateGroup,
    check_fragments,
    check_rates,
    rate_groups,
    rated_parameters,
)
from kospan.training.lora import is_adapted, plain_state
from kospan.training.loss_parts import LossParts
from kospan.training.non_finite import NonFiniteSteps, check_policy
from kospan.training.push_callback import PushCallback
from kospan.training.run_lock import run_lock
from kospan.training.search import HyperparameterSearch
from kospan.training.sharding import WholeModel, check_sharding
from kospan.training.subword_dropout import SubwordDropout
from kospan.training.validation import ValidationLoss


class KospanTrainer(Trainer):
    """transformers' Trainer for the models of kospan. Without task and techniques it is the stock Trainer, bit for bit.

    Args:
        model: The model; None takes the task's.
        args: TrainingArguments.
        task: Gives model, tokenizer and collator, and predicts and scores documents: then the evaluation data are
            documents and not features. None evaluates as the stock Trainer.
        validation_loss: Loss on validation data, `eval_loss` beside the metrics; None computes none.
        rdrop_alpha: Weight of R-Drop's divergence; 0 turns R-Drop off.
        rdrop_level: "token", "marginal" or "sequence", see `kospan.modeling.rdrop.tag_divergence`.
        rdrop_on: With FGM, "clean" (the adversarial pass runs once on the single batch) or "both".
        fgm_epsilon: Size of the perturbation; 0 turns FGM off.
        fgm_space: "activation" or "parameter".
        fgm_lambda: Weight of the adversarial loss.
        subword_dropout: Hides subwords of each training batch; None hides none.
        learning_rates: Learning rate or factor by name fragment; empty keeps the Trainer's own groups.
        feature_cache: Features of a frozen encoder on disk; None runs the encoder in each step.
        nan: "stop" or "skip", see `kospan.training.non_finite.NonFiniteSteps`.
        check_checkpoint: Raises an error if the checkpoint in a folder is of another model.
        build_trial: Builds the trainer of a hyperparameter trial from its settings.
        **kwargs: Arguments of Trainer.

    Raises: ValueError where a setting does not go with the model or the other settings.
    """

    def __init__(
        self,
        model=None,
        args=None,
        *,
        task: Task | None = None,
        validation_loss: ValidationLoss | None = None,
        rdrop_alpha: float = 0.0,
        rdrop_level: str = "token",
        rdrop_on: str = "clean",
        fgm_epsilon: float = 0.0,
        fgm_space: str = "activation",
        fgm_lambda: float = 1.0,
        subword_dropout: SubwordDropout | None = None,
        learning_rates: dict | None = None,
        feature_cache: FeatureCache | None = None,
        nan: str = "stop",
        check_checkpoint: Callable[[str], None] | None = None,
        build_trial: Callable[[dict], "KospanTrainer"] | None = None,
        **kwargs,
    ):
        if task is not None:
            model = task.model if model is None else model
            # Batches that one process sends to the others may hold tensors only.
            collate = task.collate if args.accelerator_config.dispatch_batches else IdCollator(task.collate)
            kwargs = {"processing_class": task.tokenizer, "data_collator": collate} | kwargs
        self.non_finite = NonFiniteSteps(nan)
        self.halving = BatchHalving(args is not None and args.auto_find_batch_size)
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), self.non_finite, self.halving]
        super().__init__(model, args, **kwargs)
        self.task, self.validation_loss, self.feature_cache = task, validation_loss, feature_cache
        self.rdrop_alpha, self.rdrop_level, self.rdrop_on = rdrop_alpha, rdrop_level, rdrop_on
        self.subword_dropout, self.check_checkpoint = subword_dropout, check_checkpoint
        self.search, self.held = HyperparameterSearch(self, build_trial), contextlib.ExitStack()
        self.data_files = DataFiles({})
        self.learning_rates = check_rates(learning_rates or {})
        check_fragments(self.learning_rates, (name for _, name, _ in rated_parameters(self.model)))
        self.rate_groups: list[LearningRateGroup] = []
        self.fgm: FGM | None = None
        self.fgm_lambda = fgm_lambda
        self._is_adversarial = False
        self._loss_parts = LossParts()
        self._predictions: list[tuple[int, list]] = []
        check_model(self.args, self.model)
        check_policy(nan, self)
        check_sharding(self.accelerator)
        check_unsharded(self.model, self.accelerator)
        check_fgm(fgm_epsilon, fgm_space, self.args, self.accelerator)
        self._whole = WholeModel(self.model, self.accelerator.distributed_type == DistributedType.FSDP)
        self._evaluated = None
        if fgm_epsilon > 0:
            self.fgm = FGM(self.model, fgm_epsilon, fgm_space, self._special_ids())

    def _special_ids(self) -> tuple[int, ...]:
        tokenizer = self.processing_class
        names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")
        found = (getattr(tokenizer, name, None) for name in names)
        return tuple(sorted({each for each in found if each is not None}))

    # --- training -----------------------------------------------------------------------------------------------------

    def planned_steps(self) -> tuple[int, int]:
        """Optimizer steps per epoch and in total."""
        values = self.set_initial_training_values(self.args, self.get_train_dataloader())
        return values[1], values[-1]

    def train(self, resume_from_checkpoint=None, trial=None, *args, **kwargs):
        """As in the Trainer; a frozen encoder's features come from the feature cache, if there is one."""
        if trial is not None and self.search.build_trial is not None:
            return self.search.train_trial(trial)
        if resume_from_checkpoint is True:
            resume_from_checkpoint = get_last_checkpoint(self.args.output_dir)
        if resume_from_checkpoint and self.check_checkpoint is not None:
            self.check_checkpoint(resume_from_checkpoint)
        cached = contextlib.nullcontext() if self.feature_cache is None else self.feature_cache.attached(self)
        with (
            contextlib.nullcontext() if self.task is None else run_lock(self.args.output_dir),
            cached,
            self.halving.instead(self.args),
        ):
            return super().train(resume_from_checkpoint, trial, *args, **kwargs)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """As in the Trainer; batches of a task that masks them depend on the step, also after resuming."""
        if self.task is not None and not self.task.spec.predicts:
            place = (self.args.seed, self.state.global_step, self.accelerator.process_index)
            epoch_iterator = (self.task.batch_of_step(each, (*place, at)) for at, each in enumerate(epoch_iterator))
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def training_step(self, model, inputs, num_items_in_batch=None):
        """The passes of a batch, in parts where memory ran out; the clean loss is returned and logged."""
        ids = inputs.pop("ids", ())
        if self.subword_dropout is not None:
            inputs = self.subword_dropout(self._prepare_inputs(inputs))
        loss = self.halving.run(self, model, inputs, lambda part: self._passes(model, part, num_items_in_batch))
        self.non_finite.note(loss, ids)
        return loss

    def _get_grad_norm(self, model, grad_norm=None):
        norm = super()._get_grad_norm(model, grad_norm)
        self.non_finite.check(self, model, norm)
        return norm

    def counters(self) -> tuple:
        """Sums for the next log entry, which `reset_counters` restores."""
        return self._loss_parts.sums(), None if self.fgm is None else self.fgm.counters()

    def reset_counters(self, counted: tuple) -> None:
        """Restore the sums of `counters`, for a step that is computed again."""
        self._loss_parts.reset(counted[0])
        if self.fgm is not None:
            self.fgm.reset(counted[1])

    def _passes(self, model, inputs, num_items_in_batch):
        """One pass, or with FGM a clean and an adversarial one; returns the clean loss."""
        if self.fgm is None:
            return super().training_step(model, inputs, num_items_in_batch)
        inputs = self._prepare_inputs(inputs)
        with without_gradient_sync(self.accelerator, model), self.fgm.clean_pass(inputs):
            loss = super().training_step(model, dict(inputs), num_items_in_batch)
        try:
            self._is_adversarial = True
            # Every process runs this pass, even with a perturbation of zero: the others wait for its gradients.
            with self.fgm.adversarial_pass(inputs):
                super().training_step(model, dict(inputs), num_items_in_batch)
        finally:
            self._is_adversarial = False
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The task loss, while training with R-Drop on a doubled batch."""
        single = self._is_adversarial and self.rdrop_on == "clean"
        if self.rdrop_alpha > 0 and model.training and not single:
            inputs = {**double(inputs), "rdrop_alpha": self.rdrop_alpha, "rdrop_level": self.rdrop_level}
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training and not self._is_adversarial:
            # The Trainer scales the loss of one process so that the mean over all is the loss of the step.
            averaged = self.args.average_tokens_across_devices and num_items_in_batch is not None
            self._loss_parts.add(outputs, self.state.global_step, self.accelerator.num_processes if averaged else 1)
        if self._is_adversarial:
            loss = loss * self.fgm_lambda
        return (loss, outputs) if return_outputs else loss

    def log(self, logs, *args, **kwargs):
        """As in the Trainer; beside the loss FGM's strength, the parts of the loss and the learning rates by group."""
        if "loss" in logs:
            if self.fgm is not None:
                logs.update(self.fgm.report())
            logs.update(self._loss_parts.report(self.state.global_step))
            if self.optimizer is not None and self.rate_groups:
                for group, settings in zip(self.rate_groups, self.optimizer.param_groups):
                    if group.name != "encoder":
                        logs[f"learning_rate_{group.name}"] = settings["lr"]
        super().log(logs, *args, **kwargs)

    # --- optimizer ----------------------------------------------------------------------------------------------------

    def get_decay_parameter_names(self, model):
        """As in the Trainer, without the CRF's scores and the magnitudes of DoRA, which decay would bias towards 0."""
        spared = ("crf.", "lora_magnitude_vector")
        return [name for name in super().get_decay_parameter_names(model) if not any(each in name for each in spared)]

    def create_optimizer(self, model=None):
        """As in the Trainer, with a parameter group per entry of `learning_rates`."""
        if not self.learning_rates or self.optimizer is not None:
            return super().create_optimizer(model)
        target = self.model if model is None else model
        if self.optimizer_cls_and_kwargs is not None:
            cls, settings = self.optimizer_cls_and_kwargs
        else:
            cls, settings = self.get_optimizer_cls_and_kwargs(self.args, target)
        if {"params", "model", "optimizer_dict"} & set(settings) or not isinstance(cls, type):
            raise ValueError(
                f"expected an optimizer that takes parameter groups with learning_rates, got optim {self.args.optim}, "
                "which makes its own; set optim: adamw_torch or remove learning_rates"
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

    # --- evaluation of documents --------------------------------------------------------------------------------------

    def get_eval_dataloader(self, eval_dataset=None):
        """Batches of this process: documents with their index, the longest first.

        Documents too long for the memory fail at once, and the documents of a batch have similar lengths.
        """
        if self.task is None:
            return super().get_eval_dataloader(eval_dataset)
        documents = self.eval_dataset if eval_dataset is None else eval_dataset
        order = sorted(range(len(documents)), key=lambda index: -len(documents[index].text))
        size = self.args.eval_batch_size
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        own = batches[self.accelerator.process_index :: self.accelerator.num_processes]
        return DataLoader(list(enumerate(documents)), batch_sampler=own, collate_fn=list)

    def get_test_dataloader(self, test_dataset):
        """As `get_eval_dataloader`."""
        return self.get_eval_dataloader(test_dataset)

    def whole_model(self) -> torch.nn.Module:
        """The unwrapped model with whole weights; every process has to call it."""
        return self._whole.of(self.accelerator.unwrap_model(self.model), self.args.device)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Predict a batch of documents; their spans are gathered at the end of the evaluation."""
        if self.task is None:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        indices, documents = zip(*inputs)
        with torch.no_grad(), evaluation_memory(self.args.per_device_eval_batch_size):
            predictions = self.task.predict(documents, model=self._evaluated)
        self._predictions += zip(indices, round_scores(predictions))
        return None, None, None

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ):
        """As in the Trainer; with a task, scores of documents, and the loss on validation data if it is wanted."""
        self._evaluated = self.whole_model()
        if self.task is not None and not self.task.spec.predicts:
            scores = self.task.loss_metrics(self.validation_loss(self))
            metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()}
            return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))
        self._predictions = []
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        if self.task is not None:
            documents = [document for _, document in dataloader.dataset]
            by_index = dict(gather_object(self._predictions))
            predictions = [by_index[index] for index in range(len(documents))]
            scores = self.task.metrics(documents, predictions)
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in scores.items()})
            output = output._replace(predictions=predictions)
        if self.validation_loss is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = self.validation_loss(self)
        return output

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        save_beside = self.task and self.task.spec.save_beside
        if save_beside and self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            save_beside(self.task, folder)
        super()._save(output_dir, plain_state(self.model) if is_adapted(self.model) else state_dict)
        if self.args.should_save:
            save_adapters(self.model, folder)
            follow_umask(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        model = self.model if model is None else model
        if is_adapted(model):
            return restore(model, resume_from_checkpoint)
        check_adapters(model, resume_from_checkpoint)
        return super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not is_adapted(self.model):
            return super()._load_best_model()
        restore(self.model, self.state.best_model_checkpoint)

    # --- hyperparameter search ----------------------------------------------------------------------------------------

    def hyperparameter_search(self, *args, **kwargs):
        """Search over any settings of a recipe, see `HyperparameterSearch.run`."""
        return self.search.run(super().hyperparameter_search, *args, **kwargs)

    def _hp_search_setup(self, trial) -> None:
        # The trainer of a trial was built with the trial's settings.
        self._trial = trial

    # --- Hub ----------------------------------------------------------------------------------------------------------

    @property
    def push_callback(self) -> PushCallback | None:
        """The callback that pushes, if there is one."""
        return next((each for each in self.callback_handler.callbacks if isinstance(each, PushCallback)), None)

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Take the repository of the push callback. Raises: ValueError where there is no such callback."""
        if self.push_callback is None:
            raise ValueError(
                "expected a PushCallback with push_to_hub: true, got none; build the trainer with "
                "kospan.build_trainer, or remove push_to_hub and publish the folder with push_to_hub.py"
            )
        self.hub_model_id = self.push_callback.repository

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        # The push callback pushes after the checkpoint is saved; other callbacks prepare for it now.
        if self.is_world_process_zero() and self.args.hub_strategy != HubStrategy.END:
            self.callback_handler.on_push_begin(self.args, self.state, self.control)

    def push_to_hub(self, commit_message: str | None = None, *args, **kwargs) -> str | None:
        """Push the release of the output folder; returns its address on the first process."""
        self.init_hf_repo()
        self.push_callback.queue.finish()
        if not self.is_world_process_zero():
            return None
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        message = commit_message or f"End of training, step {self.state.global_step}"
        return self.push_callback.publisher.push_release(Path(self.args.output_dir), message)

    def finish_pushes(self) -> None:
        """Push the release, then report every push of the run that failed.

        Raises: ConnectionError naming them; the trained model is complete in the output folder.
        """
        if self.push_callback is None or not self.is_world_process_zero():
            return
        folder, end = self.args.output_dir, "the release at the end arrived"
        self.push_callback.queue.finish()
        failures = list(self.push_callback.queue.failures)
        try:
            self.push_to_hub()
        except (OSError, ValueError) as error:
            failures.append(f"the release: {error}")
            end = f"push it with: python push_to_hub.py {folder} --repo_id {self.hub_model_id}"
        if failures:
            raise ConnectionError(
                f"expected every push to {self.hub_model_id} to arrive, {len(failures)} did not: "
                f"{'; '.join(failures)}. The trained model is complete in {folder}; {end}"
            )


class IdCollator:
    """Collator that adds `ids`, the texts' own, for messages about a batch.

    Args:
        collate: Makes the batch from features, each with its `ids`, which it ignores.
    """

    def __init__(self, collate: Callable[[list[dict]], dict]):
        self.collate = collate

    def __call__(self, features: list[dict]) -> dict:
        """Collate features."""
        ids = [each for feature in features for each in feature.get("ids", ())]
        return self.collate(features) | ({"ids": list(dict.fromkeys(ids))} if ids else {})


def round_scores(predictions: Sequence[list]) -> Sequence[list]:
    """Round the scores of spans to float32 in place, the precision in which they are saved."""
    for spans in predictions:
        spans[:] = [span._replace(score=float(np.float32(span.score))) for span in spans]
    return predictions
