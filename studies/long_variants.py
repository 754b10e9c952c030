"""The variants of the study of long documents: what each task and each variant sets, beside the project's own
defaults."""

SHORT, LONG, BLOCK = 128, 1024, 16
SEGMENTS = ("copied", "noised", "absent")
DOCUMENT_VARIANTS = ("converted", "tiled", "windowed", "truncated")
# Options of `kospan convert bigbird` by the name of the folder; all others have their defaults (exp, tau 2).
CONVERSIONS = {**{each: {"segments": each} for each in SEGMENTS}, "tiled": {"schedule": "none", "segments": "copied"}}
# A short window's question, and the overlap of two windows: longer than 97 of 100 answers.
SHORT_QUESTION, QUESTION, OVERLAP = 40, 64, 20
DOCUMENT, STRETCH = 1000, 640
COMMON = {
    "dataset": "jsonl",
    "learning_rates": "{encoder: 7.0e-4, head: 3.0e-3}",
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.1,
    "max_grad_norm": 1.0,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": "false",
    "use_cpu": "true",
}
TASKS = {
    "entities": {"task": "token-classification", "head": "crf", "num_train_epochs": 3},
    "answers": {
        "task": "question-answering",
        "exact_match_feature": "true",
        "lstm_hidden_size": 64,
        "num_train_epochs": 1,
        "metric_for_best_model": "exact_match",
    },
    "pairs": {
        "task": "text-classification",
        "pooling": "mean",
        "max_length": SHORT,
        "stride": 16,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 16,
    },
}
# As much text in a step as the converted encoder has: a document is 11 windows of 128, a question's text about 10.
VARIANTS = {
    ("entities", "converted"): {"max_length": LONG, "stride": 64, "per_device_train_batch_size": 2},
    ("entities", "tiled"): {"max_length": LONG, "stride": 64, "per_device_train_batch_size": 2},
    ("entities", "windowed"): {"max_length": SHORT, "stride": 32, "per_device_train_batch_size": 22},
    ("entities", "truncated"): {"max_length": SHORT, "stride": 32, "per_device_train_batch_size": 2},
    ("answers", "converted"): {
        "max_length": LONG,
        "stride": 64,
        "max_query_length": QUESTION,
        "per_device_train_batch_size": 4,
    },
    ("answers", "tiled"): {
        "max_length": LONG,
        "stride": 64,
        "max_query_length": QUESTION,
        "per_device_train_batch_size": 4,
    },
    ("answers", "windowed"): {
        "max_length": SHORT,
        "stride": OVERLAP,
        "max_query_length": SHORT_QUESTION,
        "per_device_train_batch_size": 40,
    },
    ("answers", "truncated"): {
        "max_length": SHORT,
        "stride": OVERLAP,
        "max_query_length": SHORT_QUESTION,
        "per_device_train_batch_size": 8,
        "num_train_epochs": 4,
    },
    **{("pairs", each): {} for each in SEGMENTS},
}
