"""Korean models for kospan; `kospan.load("ko-ner")` opens them by name."""

__version__ = "0.1.0"
