"""Bytes of each subword of a vocabulary; a subword of byte-level BPE may be a third of a Hangul syllable."""

import json
import math
from collections.abc import Iterable

# Bytes of the replacement character, for unknown tokens.
UNREADABLE = "\ufffd".encode()
# More ids than any vocabulary has; a larger id is damage.
MOST_IDS = 2**24


def byte_spellings() -> dict[str, int]:
    """Return the character of each byte in byte-level BPE (GPT-2): printable ones unchanged, others from U+0100.

    >>> byte_spellings()["Ġ"], byte_spellings()["a"]
    (32, 97)
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(rest)}


class SubwordBytes:
    """The subwords of a fast tokenizer as bytes.

    Args:
        tokenizer: A fast tokenizer of transformers: byte-level, with `▁` for spaces, or plain.
        size: Ids that the model scores; ids after the vocabulary add nothing. None takes the vocabulary's.

    Attributes:
        of: Bytes of each id; None for special tokens and unused ids.
        table: All bytes of subwords, sorted.
        ids: The id of each entry of `table`.

    Raises:
        ValueError: If the tokenizer cannot reproduce a text exactly.
    """

    def __init__(self, tokenizer, size: int | None = None):
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"expected a fast tokenizer, whose subwords can be read, got {type(tokenizer).__name__}; save it as "
                "a fast one (AutoTokenizer.from_pretrained(name, use_fast=True).save_pretrained(folder))"
            )
        vocabulary = tokenizer.get_vocab()
        # Writing the settings counts up to the largest id.
        if max(vocabulary.values(), default=0) >= MOST_IDS:
            raise ValueError(
                f"expected a tokenizer with ids below {MOST_IDS:,}, got {max(vocabulary.values()):,}; copy "
                "tokenizer.json from the model again"
            )
        settings = json.loads(tokenizer.backend_tokenizer.to_str())
        kinds = _decoders(settings.get("decoder"))
        unfit = kinds & {"WordPiece", "BPEDecoder", "CTC"}
        if unfit:
            raise ValueError(
                f"expected a tokenizer whose subwords spell the text with its spaces, got one with a {unfit.pop()} "
                "decoder, which loses them; choose a base model with byte-level or sentencepiece subwords"
            )
        special = set(tokenizer.all_special_ids)
        added = {each["id"]: each for each in settings.get("added_tokens") or ()}
        size = 1 + max(vocabulary.values()) if size is None else size
        self.unknown = tokenizer.unk_token_id
        self.of: list[bytes | None] = [None] * size
        spellings = byte_spellings() if "ByteLevel" in kinds else None
        for subword, at in vocabulary.items():
            if at >= size or at in special or added.get(at, {}).get("special"):
                continue
            if at in added:
                self.of[at] = subword.encode()
            elif spellings is not None and all(character in spellings for character in subword):
                self.of[at] = bytes(spellings[character] for character in subword)
            elif "ByteFallback" in kinds and len(subword) == 6 and subword.startswith("<0x") and subword.endswith(">"):
                self.of[at] = bytes([int(subword[3:5], 16)])
            else:
                text = subword.replace("▁", " ") if kinds & {"Metaspace", "Replace"} else subword
                self.of[at] = text.encode("utf-8", "replace")
        pairs = sorted((added_bytes, at) for at, added_bytes in enumerate(self.of) if added_bytes)
        self.table = [added_bytes for added_bytes, _ in pairs]
        self.ids = [at for _, at in pairs]
        self._known = set(self.table)
        self._costs: dict[str, float] = {}

    def joined(self, ids: Iterable[int]) -> bytes:
        """Join the bytes of subwords.

        Special tokens add nothing, the unknown token adds U+FFFD.
        """
        return b"".join(
            UNREADABLE if at == self.unknown else (self.of[at] or b"") if at < len(self.of) else b"" for at in ids
        )

    def text(self, ids: Iterable[int]) -> str:
        """Decode the bytes of subwords; invalid bytes become U+FFFD."""
        return self.joined(ids).decode("utf-8", "replace")

    def cost(self, character: str) -> float:
        """Number of subwords that write this character alone: 1, or one per byte; infinite if that is impossible."""
        if character not in self._costs:
            spelt = character.encode("utf-8", "replace")
            cost = 1 if spelt in self._known else self.cost_of_bytes(spelt)
            self._costs[character] = cost
        return self._costs[character]

    def cost_of_bytes(self, spelt: bytes) -> float:
        """Number of subwords that write these bytes one by one; infinite if that is impossible."""
        return len(spelt) if all(bytes([byte]) in self._known for byte in spelt) else math.inf


def _decoders(decoder: dict | None) -> set[str]:
    """The kinds of a tokenizer's decoders."""
    if decoder is None:
        return set()
    return {decoder.get("type")}.union(*(_decoders(each) for each in decoder.get("decoders") or ()))
