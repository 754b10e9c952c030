"""`kospan vectors`: learn vectors of character n-grams from raw text."""


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("vectors", help="learn vectors of character n-grams from raw text")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="texts: JSON Lines, or plain text with one document per line"
    )
    parser.add_argument(
        "--output", required=True, help="file of the vectors (.vec), compressed if it ends with .gz, .bz2 or .xz"
    )
    parser.add_argument("--size", type=int, default=64, help="size of a vector (default: 64)")
    parser.add_argument(
        "--count",
        type=int,
        default=16384,
        help="number of n-grams, the most frequent (default: 16384)",
    )
    parser.add_argument("--longest", type=int, default=3, help="characters of the longest n-gram (default: 3)")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the texts (default: 3)")
    parser.add_argument("--window", type=int, default=4, help="words before and after a word (default: 4)")
    parser.add_argument("--min_count", type=int, default=3, help="rarer words are left out (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: 1)")
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Learn the vectors and write them."""
    from dataclasses import fields

    from kospan.data.ngram_vectors import write_vectors
    from kospan.data.records import ReadOptions, ReadSession
    from kospan.data.texts import read_texts
    from kospan.ngram_learning import NgramLearning, learn_vectors
    from kospan.training.saving import check_output

    settings = NgramLearning(**{field.name: getattr(arguments, field.name) for field in fields(NgramLearning)})
    check_output(arguments.output, inputs=arguments.files)
    texts = []
    for file in arguments.files:
        session = ReadSession(ReadOptions(skip_invalid=arguments.skip_invalid), collect=True)
        texts += [example.text for example in read_texts(file, session)]
    found = learn_vectors(texts, settings)
    write_vectors(arguments.output, found)
    print(f"{len(texts):,} texts, {len(found.ngrams):,} n-grams of size {settings.size} -> {arguments.output}")
