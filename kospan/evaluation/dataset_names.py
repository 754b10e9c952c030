"""Names of data sets with rules or metrics of their own, in the project and on the Hub."""

# Names on the Hub that differ from the project's.
_NAMES = {"squad_kor_v1": "korquad", "squad_kor_v2": "korquad2"}


def set_of(dataset: str) -> str:
    """The project's name of a data set, also if it is named by its place on the Hub.

    >>> set_of("klue_mrc"), set_of("hub:klue/klue:mrc"), set_of("hub:rajpurkar/squad_v2")
    ('klue_mrc', 'klue_mrc', 'squad_v2')
    """
    if not dataset.startswith(("hub:", "hub-characters:")):
        return dataset
    name, _, config = dataset.partition(":")[2].rpartition("/")[2].partition(":")
    return f"klue_{config}" if name == "klue" and config else _NAMES.get(name, name)
