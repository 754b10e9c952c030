"""TrainingArguments of a recipe, and checks of those that would fail later or have no effect."""

import importlib.util
import json

import torch
from transformers import HfArgumentParser, TrainingArguments
from transformers.integrations import integration_utils
from transformers.utils import is_liger_kernel_available

from kospan.recipe import Recipe, check_ranges
from kospan.redaction import redacted

# Name of an integration's check in transformers, and of its package on the index, where they differ from its own.
_CHECKS = {"azure_ml": "azureml", "comet_ml": "comet", "flyte": "flytekit"}
_PACKAGES = {"azure_ml": "azureml-sdk", "comet_ml": "comet-ml", "flyte": "flytekit"}
# Names that trackers show, and that every checkpoint holds.
_LOGGED = {"run_name", "project"}
# Settings that would change the evaluation or have no effect, and what to do instead.
_WITHOUT_EFFECT = {
    "include_for_metrics": "metrics compare documents with their predicted spans; remove it",
    "batch_eval_metrics": "metrics are computed over all documents together; remove it",
    "prediction_loss_only": "every evaluation scores documents; set eval_strategy: no for none, or validation_loss: "
    "true for the loss too",
    "do_predict": "a run predicts its validation split; for other texts use kospan predict",
}


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """TrainingArguments from a recipe, each value cast as their own command line casts it.

    Raises: ValueError where a value is not what its key takes; ImportError where DeepSpeed is missing.
    """
    parser = HfArgumentParser(TrainingArguments)

    def refuse(message: str):
        raise ValueError(f"expected settings that TrainingArguments take, got: {message}")

    parser.error = refuse
    words: list[str] = []
    if recipe.trainer.get("deepspeed") and importlib.util.find_spec("deepspeed") is None:
        _missing("deepspeed", f"deepspeed: {recipe.trainer['deepspeed']}", "remove it")
    # The parser takes only the first of several trackers.
    trackers = recipe.trainer.get("report_to")
    trackers = trackers.split(",") if isinstance(trackers, str) else trackers
    several = isinstance(trackers, list) and len(trackers) > 1
    for key, value in recipe.trainer.items():
        if value is None or value == [] or (several and key == "report_to"):
            continue
        if value is False and key.endswith("_strategy"):
            value = "no"  # YAML reads `eval_strategy: no` as false.
        if key in _LOGGED:
            value = redacted(str(value))
        values = value if isinstance(value, list) else [value]
        words.append(f"--{key}")
        words.extend(json.dumps(each) if isinstance(each, dict) else str(each) for each in values)
    try:
        (arguments,) = parser.parse_args_into_dataclasses(words)
    except (ImportError, RuntimeError, LookupError, AttributeError, AssertionError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        prefix = "" if text.startswith("expected") else "expected settings that TrainingArguments take, got: "
        raise ValueError(prefix + text) from error
    if several:
        arguments.report_to = [str(name).strip() for name in trackers]
    check_ranges({key: getattr(arguments, key) for key in recipe.trainer})
    # The trainer's collator gets all features.
    arguments.remove_unused_columns = False
    arguments.label_names = ["labels"]
    return arguments


def check_arguments(args: TrainingArguments, patience: int = 0) -> None:
    """Check settings that would fail after minutes, or silently have no effect.

    Args:
        args: The settings.
        patience: Evaluations without a better score before training stops; 0 never stops it.

    Raises: ImportError naming the package that a setting needs; ValueError where a setting is not supported.
    """
    for key, instead in _WITHOUT_EFFECT.items():
        value = getattr(args, key, None)
        if value:
            raise ValueError(f"expected no {key}, which has no effect here, got {value!r}: {instead}")
    if args.max_steps == 0 or (args.max_steps < 0 and args.num_train_epochs == 0):
        raise ValueError("expected one training step or more, got none; set max_steps or num_train_epochs above 0")
    if patience and (args.eval_strategy == "no" or args.metric_for_best_model is None):
        raise ValueError(
            "expected an eval_strategy and a metric_for_best_model with early_stopping_patience, got "
            f"{args.eval_strategy.value} and {args.metric_for_best_model}; set both, or early_stopping_patience: 0"
        )
    _check_trackers(args)
    _check_compiler(args)
    if args.use_liger_kernel and not is_liger_kernel_available():
        _missing("liger-kernel", "use_liger_kernel: true", "remove it")


def _missing(package: str, setting: str, instead: str):
    raise ImportError(f"expected {package} for {setting}, found none; `pip install {package}`, or {instead}")


def _check_trackers(args: TrainingArguments) -> None:
    for name in [args.report_to] if isinstance(args.report_to, str) else args.report_to or ():
        if name in ("none", "all"):
            continue
        if name not in integration_utils.INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(integration_utils.INTEGRATION_TO_CALLBACK))
            raise ValueError(f"expected report_to to be none, all or some of {known}, got {name!r}")
        check = getattr(integration_utils, f"is_{_CHECKS.get(name, name)}_available", None)
        if check is not None and not check():
            _missing(_PACKAGES.get(name, name), f"report_to: {name}", "set report_to: none")


def _check_compiler(args: TrainingArguments) -> None:
    """Check the requirements of torch.compile before it compiles in the first step."""
    if not args.torch_compile:
        return
    backend = (args.torch_compile_backend or "inductor").lower()
    try:
        torch.compile(_check_compiler, backend=backend, mode=args.torch_compile_mode)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"expected a torch_compile_backend and a torch_compile_mode that torch knows, got {backend} and "
            f"{args.torch_compile_mode}: {' '.join(str(error).split())}"
        ) from error
    if backend != "inductor":
        return
    if args.device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            _missing("triton", "torch_compile: true on this device", "set torch_compile: false")
    elif not _has_cpp_compiler():
        raise ValueError(
            "expected a C++ compiler for torch_compile: true on this device, found none; install g++ or clang++ (or "
            "name one in CXX), or set torch_compile: false"
        )


def _has_cpp_compiler() -> bool:
    from torch._inductor import cpp_builder, exc

    try:
        cpp_builder.get_cpp_compiler()
    except (exc.InvalidCxxCompiler, RuntimeError, OSError):
        return False
    return True


def create_optimizer(trainer) -> None:
    """Create a trainer's optimizer before the training, with errors of one line.

    Raises: ImportError where its package is missing; ValueError where its settings cannot be read.
    """
    args = trainer.args
    try:
        trainer.create_optimizer()
    except (ImportError, RuntimeError, ValueError, TypeError, KeyError) as error:
        text = " ".join(str(error).split())
        if text.startswith("expected"):
            raise
        raise (ImportError if isinstance(error, ImportError) else ValueError)(
            "expected optim and optim_args of an optimizer that is installed, got "
            f"{getattr(args.optim, 'value', args.optim)} and {args.optim_args}: {text}"
        ) from error


def check_schedule(trainer, steps: int) -> None:
    """Check the schedule of the learning rate by building it once over another optimizer.

    Args:
        trainer: The trainer.
        steps: Steps of the training.

    Raises: ValueError where its settings do not go together.
    """
    args = trainer.args
    try:
        probe = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=args.learning_rate)
        trainer.create_scheduler(steps, probe)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"expected lr_scheduler_kwargs that lr_scheduler_type: {args.lr_scheduler_type.value} takes, got "
            f"{args.lr_scheduler_kwargs or 'none'}: {' '.join(str(error).split())}"
        ) from error
    finally:
        trainer.lr_scheduler = None


def check_model(args: TrainingArguments, model) -> None:
    """Raises: ValueError where a setting works with models of another kind only."""
    if args.label_smoothing_factor:
        raise ValueError(
            f"expected label_smoothing_factor: 0, got {args.label_smoothing_factor}: transformers would smooth single "
            "tags and the CRF would not be trained; use R-Drop or multi_sample_dropout instead"
        )
    if not hasattr(model, "encoder"):
        return
    if args.use_liger_kernel:
        raise ValueError(
            "expected use_liger_kernel: false, got true: its kernels replace parts of causal language models, and "
            "this model has an encoder; remove it"
        )
    if any(getattr(option, "value", option) == "underflow_overflow" for option in args.debug or ()):
        raise ValueError(
            "expected no debug: underflow_overflow, which cannot handle the boolean masks of the heads; remove it"
        )
