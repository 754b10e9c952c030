"""How a model was trained, in words, from its recipe and config; and whom to cite for it."""

from typing import Any

from kospan.publishing.card.left import Left, default_of
from kospan.publishing.card.markdown import code, plain
from kospan.publishing.hub.release import HUB_KEYS

# What concerns one machine, or names the run.
NOT_SHOWN = {"name", "output_dir", "run_name", "logging_dir", "resume", "overwrite", "disable_tqdm", "report_to"}
REFERENCES = {
    "CRF": "John Lafferty, Andrew McCallum, Fernando Pereira. Conditional Random Fields: Probabilistic Models for "
    "Segmenting and Labeling Sequence Data. ICML 2001.",
    "FGM": "Takeru Miyato, Andrew M. Dai, Ian Goodfellow. Adversarial Training Methods for Semi-Supervised Text "
    "Classification. ICLR 2017. arXiv:1605.07725.",
    "R-Drop": "Xiaobo Liang, Lijun Wu, Juntao Li, Yue Wang, Qi Meng, Tao Qin, Wei Chen, Min Zhang, Tie-Yan Liu. "
    "R-Drop: Regularized Dropout for Neural Networks. NeurIPS 2021. arXiv:2106.14448.",
    "multi-sample dropout": "Hiroshi Inoue. Multi-Sample Dropout for Accelerated Training and Better Generalization. "
    "2019. arXiv:1905.09788.",
    "piece dropout": "Mohit Iyyer, Varun Manjunatha, Jordan Boyd-Graber, Hal Daumé III. Deep Unordered Composition "
    "Rivals Syntactic Methods for Text Classification. ACL 2015.",
    "calibration": "Chuan Guo, Geoff Pleiss, Yu Sun, Kilian Q. Weinberger. On Calibration of Modern Neural Networks. "
    "ICML 2017. arXiv:1706.04599.",
}


def number(value) -> float:
    """A setting as a number: flags are stored as they were typed.

    >>> number("3e-5"), number(None)
    (3e-05, 0.0)
    """
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected a number in recipe.yaml, got {value!r}; take the recipe from the run again"
        ) from None


def model_in_words(left: Left) -> str:
    """Encoder, what stands on it, and the head, in one sentence."""
    config, encoder = left.config, left.config["encoder_config"]
    given = str(left.setting("encoder"))
    layers = encoder.get("num_hidden_layers", 0)
    if given == "scratch":
        depth = f"{layers} layer{'s' if layers > 1 else ''}" if layers else "embeddings alone, no layer"
        what = f"an encoder without pretrained weights ({depth})"
    else:
        what = f"the pretrained encoder {code(left.base_model or given)} ({layers} layers)"
        if left.setting("freeze_encoder"):
            what += ", frozen"
    if config.get("recurrent_size"):
        many = config.get("recurrent_layers", 1)
        stacked = f"{many} stacked bidirectional LSTMs" if many > 1 else "a bidirectional LSTM"
        what += f", {stacked} of {config['recurrent_size']} units per direction"
    head = {"crf": "a linear-chain CRF", "linear": "a linear layer over tags"}.get(config["head"], config["head"])
    return f"{what}, and {head} over {config['scheme']} tags, one tag per {config['unit']}"


def techniques(left: Left) -> list[str]:
    """A sentence about each technique in use, with its values."""
    found = []
    epsilon, alpha = number(left.setting("fgm_epsilon")), number(left.setting("rdrop_alpha"))
    samples = int(number(left.setting("dropout_samples")))
    if epsilon:
        where = {
            "activation": "the embeddings of each example, one norm per example",
            "parameter": "the whole embedding table, one norm",
        }[left.setting("fgm_space")]
        found.append(
            f"**FGM**: after each clean pass a second one on perturbed embeddings, epsilon {epsilon:g} on {where}; the "
            f"adversarial loss is weighted with {number(left.setting('fgm_lambda')):g}."
        )
    if alpha:
        between = {
            "token": "the tag distributions of each unit",
            "marginal": "the CRF's marginals of each unit",
            "sequence": "the two chains over whole tag sequences (exact)",
        }[left.setting("rdrop_level")]
        also = ", on the adversarial pass too" if epsilon and left.setting("rdrop_on") == "both" else ""
        found.append(
            f"**R-Drop**: every batch passes twice under different dropout; half the symmetric KL divergence between "
            f"{between} is added with weight {alpha:g}{also}."
        )
    if samples > 1:
        merged = {"mean_logits": "one loss on the mean of their scores", "mean_loss": "the mean of their losses"}
        found.append(
            f"**Multi-sample dropout**: {samples} dropout masks before the projection to tags, "
            f"{merged[left.setting('dropout_merge')]}."
        )
    if number(left.setting("piece_dropout")):
        share = number(left.setting("piece_dropout"))
        found.append(f"**Piece dropout**: {share:.0%} of the pieces are shown as the unknown token while training.")
    if left.setting("constrain") == "both":
        found.append("**Constrained training**: tag transitions that no span has are banned in the likelihood too.")
    if left.setting("learning_rates"):
        rates = ", ".join(f"{code(key)} {plain(value)}" for key, value in left.setting("learning_rates").items())
        found.append(f"**Rates by name**: {rates}.")
    if left.setting("early_stopping_patience"):
        found.append(
            f"**Early stopping** after {left.setting('early_stopping_patience')} evaluations without progress."
        )
    return found


def settings(left: Left) -> list[tuple[str, Any]]:
    """What the recipe sets otherwise than by default."""
    return [
        (key, value)
        for key, value in left.recipe.items()
        if key not in NOT_SHOWN and not HUB_KEYS.match(key) and str(value) != str(default_of(key))
    ]


def references(left: Left) -> list[str]:
    """The methods in use, and where they come from."""
    used = {
        "CRF": left.config["head"] == "crf",
        "FGM": number(left.setting("fgm_epsilon")) > 0,
        "R-Drop": number(left.setting("rdrop_alpha")) > 0,
        "multi-sample dropout": int(number(left.setting("dropout_samples"))) > 1,
        "piece dropout": number(left.setting("piece_dropout")) > 0,
        "calibration": left.calibration is not None or left.config.get("calibration_temperature", 1.0) != 1.0,
    }
    return [f"{name}: {REFERENCES[name]}" for name, in_use in used.items() if in_use]


def held_out(left: Left) -> tuple[str, str]:
    """Where the validation texts come from, English and Korean."""
    training, validation = left.setting("train_file"), left.setting("validation_file")
    if validation:
        return f"the file {code(validation)}", f"파일 {code(validation)}"
    if training:
        return (
            f"every eighth document of {code(training)}, which was not trained on",
            f"{code(training)}에서 여덟 건마다 하나씩 떼어 낸 학습에 쓰지 않은 문서",
        )
    if str(left.setting("dataset")).startswith("hub"):
        return (
            "the set's validation split, or every eighth training document where it has none",
            "데이터의 검증 분할(없으면 학습 분할에서 여덟 건마다 하나씩 떼어 낸 문서)",
        )
    return "the set's validation split", "데이터의 검증 분할"
