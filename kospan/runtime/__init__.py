"""Inference without torch and transformers: exported models over numpy, tokenizers and onnxruntime.

`kospan export` writes a folder with a graph, the tokenizer and a copy of this package, `kospan_runtime`, which needs no
installation of kospan:

    sys.path.insert(0, "exported")
    import kospan_runtime

    model = kospan_runtime.load("exported")
"""

from .loading import load

__all__ = ["load"]
