"""What is known about the data sets, held against what can be read."""

import json

import pytest

from kospan.data.about import ABOUT, About, about
from kospan.data.corpus import load_corpus
from kospan.data.registry import DATASETS

OWN = {"jsonl", "conll", "conll_iob1", "labelled"}


def test_every_data_set_is_described():
    assert set(ABOUT) | OWN == set(DATASETS)
    for entry in ABOUT.values():
        assert entry.language in ("ko", "en") and entry.licence and all(entry.terms) and all(entry.texts)
        assert entry.licence != "other" or (entry.link and entry.restricted)


@pytest.mark.parametrize("dataset", sorted(OWN) + ["hub:data/mine", "hub:one.parquet"])
def test_of_own_data_nothing_is_guessed(dataset):
    assert about(dataset) == About("own data", "직접 마련한 데이터")


def test_the_sample_s_labels_have_meanings():
    assert set(load_corpus("sample").labels) == set(ABOUT["sample"].meanings)


def test_the_terms_are_those_of_the_readme():
    from pathlib import Path

    rows = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8").splitlines()
    terms = {row.split("|")[1].strip(" `"): row.split("|")[-2] for row in rows if row.startswith("| `")}
    for dataset, entry in ABOUT.items():
        if dataset in terms and not entry.restricted:
            assert entry.terms[0] in terms[dataset], dataset
    assert "non-commercial" in terms["kmou"] and "non-commercial" in ABOUT["kmou"].terms[0]
    assert json.dumps(terms).count("restricted") and ABOUT["conll2003"].restricted and ABOUT["gmb"].restricted
