"""Former names of settings, settings that name files, and defaults and least values of TrainingArguments."""

# Former names of settings, those of transformers 4 and of its examples among them, and their present ones.
RENAMED = {
    "window": "max_length",
    "max_question": "max_query_length",
    "longest_answer": "max_answer_length",
    "null_answer": "allow_no_answer",
    "unit_shapes": "word_shape_feature",
    "unit_matches": "exact_match_feature",
    "recurrent_size": "lstm_hidden_size",
    "recurrent_layers": "lstm_layers",
    "recurrent_dropout": "lstm_dropout",
    "dropout_samples": "multi_sample_dropout",
    "piece_dropout": "subword_dropout",
    "states_folder": "feature_cache_dir",
    "few_shot_by": "few_shot_strategy",
    "constrained": "constrained_decoding",
    "load_dtype": "dtype",
    "label_kind": "problem_type",
    "train_examples": "max_train_samples",
    "validation_examples": "max_eval_samples",
    "resume": "resume_from_checkpoint",
    "overwrite": "overwrite_output_dir",
    "evaluation_strategy": "eval_strategy",
    "group_by_length": "train_sampling_strategy: group_by_length",
    "warmup_ratio": "warmup_steps (a number below 1 is a share of all steps)",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "max_seq_length": "max_length",
    "doc_stride": "stride",
    "model_name_or_path": "encoder",
    "gradient_checkpointing": "activation_checkpointing",
}

# Settings that name a file of data.
FILES = ("train_file", "validation_file", "extra_train_file", "ngram_vectors")

# Values of TrainingArguments that differ from its own defaults.
TRAINER_DEFAULTS = {
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 64,
    "learning_rate": 5e-5,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "f1",
    "logging_steps": 50,
    "report_to": "none",
    "disable_tqdm": True,
    "train_sampling_strategy": "group_by_length",
    "auto_find_batch_size": True,
    "seed": 42,
}

# Values of TrainingArguments that differ from these in a task.
TASK_DEFAULTS = {"pretraining": {"metric_for_best_model": "loss", "train_sampling_strategy": "random"}}

# Least values of TrainingArguments' numbers that fail late, or train without effect, below them.
TRAINER_LEAST = {
    **dict.fromkeys(("learning_rate", "weight_decay", "max_grad_norm", "num_train_epochs"), 0),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"), 1),
}
