"""Adapter that gives a `tokenizers.Tokenizer` the calls of a fast tokenizer of transformers that alignment makes."""

from collections.abc import Sequence


class FastTokenizer:
    """A `tokenizers.Tokenizer` with the interface of a fast tokenizer of transformers.

    Args:
        tokenizer: The tokenizer; its truncation and padding are turned off.
        pad_token_id: Id of the padding token; None if there is none.
        unk_token_id: Id of the unknown token; None if there is none.
    """

    is_fast = True

    def __init__(self, tokenizer, pad_token_id: int | None = None, unk_token_id: int | None = None):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.backend_tokenizer = tokenizer
        self.pad_token_id, self.unk_token_id = pad_token_id, unk_token_id

    def get_vocab(self) -> dict[str, int]:
        """Return ids by subword, added tokens included."""
        return self.backend_tokenizer.get_vocab(with_added_tokens=True)

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | None = None,
        add_special_tokens: bool = True,
        return_offsets_mapping: bool = False,
        **unused,
    ) -> dict[str, list]:
        """Tokenize a text, a pair of texts, or a sequence of texts.

        Args:
            text: A text, or a sequence of texts.
            text_pair: Second text of a pair.
            add_special_tokens: Whether to add special tokens.
            return_offsets_mapping: Whether to return the offsets of a sequence's subwords.
            **unused: Further arguments of transformers' tokenizers, without effect here.

        Returns:
            `input_ids` and `token_type_ids`, lists of lists for a sequence; for a sequence also `offset_mapping`.
        """
        if isinstance(text, str):
            found = self.backend_tokenizer.encode(text, text_pair, add_special_tokens=add_special_tokens)
            return {"input_ids": found.ids, "token_type_ids": found.type_ids}
        # Without offsets in characters, which take about half of the time.
        fast = not return_offsets_mapping and hasattr(self.backend_tokenizer, "encode_batch_fast")
        encode = self.backend_tokenizer.encode_batch_fast if fast else self.backend_tokenizer.encode_batch
        rows = encode(list(text), add_special_tokens=add_special_tokens)
        found = {"input_ids": [row.ids for row in rows]}
        return found | {"offset_mapping": [row.offsets for row in rows]} if return_offsets_mapping else found
