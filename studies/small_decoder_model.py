"""A small Llama with weights that can copy before any training.

A language model copies by two layers (Olsson et al. 2022, "In-context Learning and Induction Heads"): a head of the
first attends to the previous position and copies its subword; a head of the second attends to positions with a copy of
the present subword and predicts the subword there. Large models learn this from billions of subwords; a few million are
not enough, so these weights are set by hand and training starts from them.
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 512}
# How slowly the slowest coordinates turn; with the usual 1e4 too few could be compared across a text.
ROTATION = 1e6
# How strongly the first layer looks back, in the fastest rotations, and how many of these it uses.
BACK, FAST = 6.0, 4
# How loud the note is beside the subword itself, how sharp the search, and how loud its find.
NOTE, SEARCH, FIND = 1.5, 24.0, 4.0
# What a subword weighs at the end beside what it is at the beginning, where it must not be drowned by what layers add.
LAST = 0.02
# Pairs of coordinates that turn by less than a radian over so many places can be compared at any distance.
FAR = 400


def small_llama(vocabulary: int, positions: int, end: int) -> LlamaForCausalLM:
    """The decoder, untrained.

    Args:
        vocabulary: Subwords.
        positions: Of its context.
        end: Id of the subword that ends and pads.
    """
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            max_position_embeddings=positions,
            tie_word_embeddings=False,
            attention_bias=True,
            rope_parameters={"rope_type": "default", "rope_theta": ROTATION},
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=end,
            **SIZES,
        )
    )


@torch.no_grad()
def write_copying(model: LlamaForCausalLM) -> None:
    """Sets the subwords' vectors, one head of the first layer and two of the second, in place.

    Args:
        model: A Llama with biases in its attention, an output layer of its own, and heads so wide that three of them
            fill the model or less.
    """
    subwords = model.get_input_embeddings().weight.normal_()
    model.get_output_embeddings().weight.copy_(LAST * subwords)
    first, second = (model.model.layers[at].self_attn for at in (0, 1))
    width, size = first.head_dim, model.config.hidden_size
    half, angles = width // 2, model.model.rotary_emb.inv_freq
    # What a subword is, the note, and what else a subword is: parts of the stream that do not disturb each other.
    subword, note, rest = torch.linalg.qr(torch.randn(size, size))[0].split(width)[:3]

    for linear in (first.q_proj, first.k_proj):
        linear.weight[:width] = 0
    # The two halves of a head are the coordinates that are turned together; the key is turned by one place.
    first.q_proj.bias[:FAST] = BACK
    first.k_proj.bias[:FAST] = BACK * angles[:FAST].cos()
    first.k_proj.bias[half : half + FAST] = BACK * angles[:FAST].sin()
    first.v_proj.weight[:width] = subword
    first.o_proj.weight[:, :width] = NOTE * note.T

    slow = int((angles > 1 / FAR).sum())
    used = 2 * (half - slow)
    places = torch.cat([torch.arange(slow, half), torch.arange(half + slow, width)])
    scale = (SEARCH * width**0.5 / used) ** 0.5
    for head, rows, found in ((0, slice(used), subword), (1, slice(width - used, width), rest)):
        at = head * width
        for linear, sought in ((second.q_proj, subword), (second.k_proj, note)):
            linear.weight[at : at + width] = 0
            linear.weight[at + places] = scale * sought[rows]
        second.v_proj.weight[at : at + width] = found
        second.o_proj.weight[:, at : at + width] = FIND * found.T
