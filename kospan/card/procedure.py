"""How a model was trained, in words, from its recipe and config; and whom to cite for it."""

from typing import Any

from kospan.card.kinds.registry import kind_of
from kospan.card.markdown import code, plain
from kospan.card.phrases import number
from kospan.card.run_record import RunRecord
from kospan.recipe import default_of
from kospan.training.run_folder import HUB_KEYS

# What concerns one machine, or names the run.
NOT_SHOWN = {
    "name",
    "output_dir",
    "run_name",
    "logging_dir",
    "resume_from_checkpoint",
    "overwrite_output_dir",
    "disable_tqdm",
    "report_to",
}
REFERENCES = {
    "ELECTRA": "Kevin Clark, Minh-Thang Luong, Quoc V. Le, Christopher D. Manning. ELECTRA: Pre-training Text Encoders "
    "as Discriminators Rather Than Generators. ICLR 2020. arXiv:2003.10555.",
    "FGM": "Takeru Miyato, Andrew M. Dai, Ian Goodfellow. Adversarial Training Methods for Semi-Supervised Text "
    "Classification. ICLR 2017. arXiv:1605.07725.",
    "R-Drop": "Xiaobo Liang, Lijun Wu, Juntao Li, Yue Wang, Qi Meng, Tao Qin, Wei Chen, Min Zhang, Tie-Yan Liu. "
    "R-Drop: Regularized Dropout for Neural Networks. NeurIPS 2021. arXiv:2106.14448.",
    "multi-sample dropout": "Hiroshi Inoue. Multi-Sample Dropout for Accelerated Training and Better Generalization. "
    "2019. arXiv:1905.09788.",
    "subword dropout": "Mohit Iyyer, Varun Manjunatha, Jordan Boyd-Graber, Hal Daumé III. Deep Unordered Composition "
    "Rivals Syntactic Methods for Text Classification. ACL 2015.",
    "LoRA": "Edward J. Hu, Yelong Shen, Phillip Wallis, Zeyuan Allen-Zhu, Yuanzhi Li, Shean Wang, Lu Wang, Weizhu "
    "Chen. LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022. arXiv:2106.09685.",
    "LoRA+": "Soufiane Hayou, Nikhil Ghosh, Bin Yu. LoRA+: Efficient Low Rank Adaptation of Large Models. ICML 2024. "
    "arXiv:2402.12354.",
    "rsLoRA": "Damjan Kalajdzievski. A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA. 2023. "
    "arXiv:2312.03732.",
    "DoRA": "Shih-Yang Liu, Chien-Yi Wang, Hongxu Yin, Pavlo Molchanov, Yu-Chiang Frank Wang, Kwang-Ting Cheng, "
    "Min-Hung Chen. DoRA: Weight-Decomposed Low-Rank Adaptation. ICML 2024. arXiv:2402.09353.",
    "calibration": "Chuan Guo, Geoff Pleiss, Yu Sun, Kilian Q. Weinberger. On Calibration of Modern Neural Networks. "
    "ICML 2017. arXiv:1706.04599.",
}


def model_in_words(left: RunRecord) -> str:
    """Encoder, what stands on it, and the head, in one sentence."""
    config, encoder = left.config, left.config["encoder_config"]
    given = str(left.setting("encoder"))
    noun = kind_of(left).NOUN
    layers = encoder.get("num_hidden_layers", 0)
    if given == "scratch":
        depth = f"{layers} layer{'s' if layers > 1 else ''}" if layers else "embeddings alone, no layer"
        what = f"{noun} without pretrained weights ({depth})"
    else:
        what = f"the pretrained {noun.partition(' ')[2]} {code(left.base_model or given)} ({layers} layers)"
        if left.setting("freeze_encoder"):
            what += ", frozen"
    if config.get("lstm_hidden_size"):
        many = config.get("lstm_layers", 1)
        stacked = f"{many} stacked bidirectional LSTMs" if many > 1 else "a bidirectional LSTM"
        what += f", {stacked} of {config['lstm_hidden_size']} units per direction"
    return f"{what}, and {kind_of(left).head_in_words(left)}"


def techniques(left: RunRecord) -> list[str]:
    """A sentence about each technique in use, with its values."""
    found = []
    epsilon, alpha = number(left.setting("fgm_epsilon")), number(left.setting("rdrop_alpha"))
    samples = int(number(left.setting("multi_sample_dropout")))
    kind = kind_of(left)
    regularised = kind.regularised(left)
    if epsilon:
        where = {
            "activation": "the embeddings of each example, one norm per example",
            "parameter": "the whole embedding table, one norm",
        }[left.setting("fgm_space")]
        found.append(
            f"**FGM**: after each clean pass a second one on perturbed embeddings, epsilon {epsilon:g} on {where}; "
            f"the adversarial loss is weighted with {number(left.setting('fgm_lambda')):g}."
        )
    if alpha:
        also = ", on the adversarial pass too" if epsilon and left.setting("rdrop_on") == "both" else ""
        found.append(
            "**R-Drop**: every batch passes twice under different dropout; half the symmetric KL divergence between "
            f"{regularised['rdrop']} is added with weight {alpha:g}{also}."
        )
    if samples > 1:
        found.append(
            f"**Multi-sample dropout**: {samples} dropout masks before the projection to "
            f"{regularised['projection']}, {regularised['merged']}."
        )
    if number(left.setting("subword_dropout")):
        share = number(left.setting("subword_dropout"))
        found.append(f"**Subword dropout**: {share:.0%} of the subwords are shown as the unknown token while training.")
    found += _adapters(left) + kind.techniques(left)
    if left.setting("learning_rates"):
        rates = ", ".join(f"{code(key)} {plain(value)}" for key, value in left.setting("learning_rates").items())
        found.append(f"**Rates by name**: {rates}.")
    if left.setting("early_stopping_patience"):
        found.append(
            f"**Early stopping** after {left.setting('early_stopping_patience')} evaluations without progress."
        )
    return found


def _adapters(left: RunRecord) -> list[str]:
    """A sentence about low-rank adapters, where there were any."""
    rank = int(number(left.setting("lora_rank")))
    if not rank:
        return []
    alpha, scale = number(left.setting("lora_alpha")), "sqrt(rank)" if left.setting("lora_rslora") else "rank"
    alone = left.is_adapter
    end = "lie here without them." if alone else "are merged into the weights that lie here."
    dora = ", direction and length of each weight apart (DoRA)" if left.setting("lora_dora") else ""
    return [
        f"**LoRA**: the pretrained weights stayed as they were; adapters of rank {rank}, scaled by {alpha:g} / "
        f"{scale}{dora}, were trained beside the linear layers ({plain(left.setting('lora_targets'))}) with dropout "
        f"{number(left.setting('lora_dropout')):g}, and {end}"
    ]


def _rated(left: RunRecord) -> bool:
    """Whether the adapters' B had a rate of its own (LoRA+)."""
    return bool(left.setting("lora_rank")) and any("lora_B" in str(key) for key in left.setting("learning_rates"))


def settings(left: RunRecord) -> list[tuple[str, Any]]:
    """What the recipe sets otherwise than by default."""
    return [
        (key, value)
        for key, value in left.recipe.items()
        if key not in NOT_SHOWN and not HUB_KEYS.match(key) and str(value) != str(default_of(key))
    ]


def references(left: RunRecord) -> list[str]:
    """The methods in use, and where they come from."""
    used = {
        "ELECTRA": left.config["encoder_config"].get("model_type") == "electra"
        and left.setting("encoder") != "scratch",
        "FGM": number(left.setting("fgm_epsilon")) > 0,
        "R-Drop": number(left.setting("rdrop_alpha")) > 0,
        "multi-sample dropout": int(number(left.setting("multi_sample_dropout"))) > 1,
        "subword dropout": number(left.setting("subword_dropout")) > 0,
        "LoRA": number(left.setting("lora_rank")) > 0,
        "LoRA+": _rated(left),
        "rsLoRA": number(left.setting("lora_rank")) > 0 and bool(left.setting("lora_rslora")),
        "DoRA": number(left.setting("lora_rank")) > 0 and bool(left.setting("lora_dora")),
        "calibration": left.calibration is not None or left.config.get("calibration_temperature", 1.0) != 1.0,
    }
    found = kind_of(left).references(left) | {name: REFERENCES[name] for name, in_use in used.items() if in_use}
    return [f"{name}: {source}" for name, source in found.items()]
