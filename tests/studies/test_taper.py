"""The study of long positions: stretches, masks, losses by place, windows, buckets, intervals, variants; a tiny
model."""

import json

import numpy as np
import pytest
import torch
from conversion_cases import REACH, SENTENCES, roberta_tokenizer, save_source
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, RobertaForMaskedLM

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.settings import Settings
from studies.taper_measure import (
    Sums,
    deepest_window,
    difference,
    draw_masks,
    in_buckets,
    losses_by_place,
    mass_aside,
    window_starts,
    windowed_losses,
)
from studies.taper_text import documents, in_subwords, small_tokenizer, stretches
from studies.taper_train import (
    HEAD,
    OFFSETS,
    Evaluates,
    looking_aside,
    losses_at_masks,
    parts,
    small_roberta,
    train,
    wave_rates,
    waves,
)
from studies.taper_variants import TILING, VARIANTS, Variant, converted, open_variant, table

LONG = 3 * REACH


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A tiny RoBERTa of 24 positions with random weights."""
    return save_source(tmp_path_factory.mktemp("taper") / "source", "roberta head")


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    """The same with 72 positions."""
    return converted(source, tmp_path_factory.mktemp("taper") / "converted", LONG, 4)


@pytest.fixture(scope="module")
def masks():
    """Five documents of 72 subwords, masked twice."""
    tokenizer = roberta_tokenizer()
    subwords = tokenizer(" ".join(SENTENCES * 20), add_special_tokens=False)["input_ids"]
    rows = list(stretches(subwords, LONG, 31, tokenizer.bos_token_id, tokenizer.eos_token_id))[:5]
    return draw_masks(tokenizer, rows, 2, seed=3)


# Stretches and masks.


@given(st.integers(0, 40), st.integers(3, 12), st.integers(1, 9))
def test_a_stretch_is_full_and_keeps_the_order(subwords, length, step):
    found = list(stretches(range(100, 100 + subwords), length, step, 0, 2))
    for at, row in enumerate(found):
        assert row == [0, *range(100 + at * step, 100 + at * step + length - 2), 2]
    assert len(found) == len([start for start in range(0, subwords, step) if start + length - 2 <= subwords])


def test_masks_are_the_same_for_every_variant_and_other_random_states_stay():
    tokenizer = roberta_tokenizer()
    rows = [[0, *range(5, 75), 2], [0, *range(105, 175), 2]]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, two = (draw_masks(tokenizer, rows, 3, seed=5) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.inputs, two.inputs) and torch.equal(one.labels, two.labels)
    assert not torch.equal(one.labels, draw_masks(tokenizer, rows, 3, seed=6).labels)
    assert one.documents.tolist() == [0, 1, 0, 1, 0, 1]
    # Draws differ, special subwords stay, and what is not masked is what stood there.
    assert not torch.equal(one.labels[:2], one.labels[2:4])
    assert one.labels[:, [0, -1]].eq(-100).all()
    whole = torch.tensor(rows * 3)
    free = one.labels.eq(-100)
    assert torch.equal(one.inputs[free], whole[free])
    assert torch.equal(one.labels[~free], whole[~free])


# Losses.


def test_losses_by_place_are_those_of_transformers_own_head(folder, masks):
    encoder, head, model = open_variant(folder, REACH, TILING)
    losses = losses_by_place(encoder, head, masks, batch=3)
    assert np.array_equal(~np.isnan(losses), masks.labels.ne(-100).numpy())
    with torch.no_grad():
        whole = model(input_ids=masks.inputs, labels=masks.labels).loss.item()
    assert np.nanmean(losses) == pytest.approx(whole, abs=1e-5)
    one_by_one = losses_by_place(encoder, head, masks, batch=1)
    assert np.allclose(losses, one_by_one, atol=1e-5, equal_nan=True)


def test_buckets_weighted_by_their_counts_give_the_whole_loss(folder, masks):
    encoder, head, _ = open_variant(folder, REACH, TILING)
    losses = losses_by_place(encoder, head, masks)
    sums = in_buckets(losses, masks.documents, REACH)
    counts = sums.counts.sum(0)
    assert counts.sum() == masks.labels.ne(-100).sum().item()
    assert sums.mean() == pytest.approx(np.nanmean(losses))
    assert np.average(sums.means(), weights=counts) == pytest.approx(np.nanmean(losses))
    assert sums.mean(1) == pytest.approx(np.nanmean(losses[:, REACH:]))


@given(st.integers(1, 5), st.integers(1, 20), st.integers(1, 7), st.integers(0, 10_000))
@settings(deadline=None)
def test_buckets_are_sums_over_a_loop(rows, length, width, seed):
    drawn = np.random.default_rng(seed)
    losses = drawn.random((rows, length))
    losses[drawn.random(losses.shape) < 0.5] = np.nan
    owners = drawn.integers(0, 3, rows)
    sums = in_buckets(losses, owners, width)
    for document in range(owners.max() + 1):
        for bucket in range(-(-length // width)):
            own = losses[owners == document][:, bucket * width : (bucket + 1) * width]
            own = own[~np.isnan(own)]
            assert sums.losses[document, bucket] == pytest.approx(own.sum())
            assert sums.counts[document, bucket] == len(own)


# Windows.


@given(st.integers(1, 60), st.integers(2, 12), st.integers(0, 11))
def test_windows_cover_a_text_and_each_subword_lies_deepest_in_its_own(subwords, inside, overlap):
    overlap = min(overlap, inside - 1)
    starts = window_starts(subwords, inside, overlap)
    assert starts == sorted(set(starts)) and starts[0] == 0
    owner = deepest_window(subwords, inside, starts)

    def depth(start, place):
        if not start <= place < start + inside:
            return -1
        left = place - start if start else subwords
        right = start + inside - 1 - place if start + inside < subwords else subwords
        return min(left, right)

    for place in range(subwords):
        depths = [depth(start, place) for start in starts]
        assert depths[owner[place]] == max(depths) >= 0


@pytest.mark.parametrize("overlap", [0, 11])
def test_windowed_losses_are_those_of_each_window_alone(source, masks, overlap):
    encoder, head = parts(RobertaForMaskedLM.from_pretrained(source).eval())
    found = windowed_losses(encoder, head, masks, REACH, overlap, batch=3)
    # Every masked place once, and nothing else.
    assert np.array_equal(~np.isnan(found), masks.labels.ne(-100).numpy())
    inside = REACH - 2
    starts = window_starts(LONG - 2, inside, overlap)
    owner = deepest_window(LONG - 2, inside, starts)
    for row, place in np.argwhere(~np.isnan(found))[::7]:
        start = starts[owner[place - 1]]
        cut = masks.inputs[row, 1 + start : 1 + start + inside]
        alone = torch.cat([masks.inputs[row, :1], cut, masks.inputs[row, -1:]]).unsqueeze(0)
        label = torch.full_like(alone, -100)
        label[0, place - start] = masks.labels[row, place]
        with torch.no_grad():
            losses, where = losses_at_masks(encoder, head, alone, label)
        assert where.tolist() == [[0, place - start]]
        assert found[row, place] == pytest.approx(losses.item(), abs=1e-5)


# Variants.


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_keeps_the_source_on_short_inputs(source, folder, variant):
    tokenizer = AutoTokenizer.from_pretrained(source)
    rows = [tokenizer(SENTENCES[0])["input_ids"][:REACH]]
    short = draw_masks(tokenizer, rows, 4, seed=1)
    expected = losses_by_place(*parts(RobertaForMaskedLM.from_pretrained(source).eval()), short)
    encoder, head, _ = open_variant(folder, REACH, variant)
    assert np.allclose(losses_by_place(encoder, head, short), expected, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(
    "variant",
    [variant for variant in VARIANTS if variant.schedule not in ("random", "zero")],
    ids=lambda variant: variant.name,
)
def test_the_table_of_an_variant_is_the_converters(source, folder, tmp_path, variant):
    convert_to_bigbird(
        source, tmp_path, Settings(max_length=LONG, schedule=variant.schedule, tau=variant.tau, block_size=4)
    )
    _, _, model = open_variant(folder, REACH, variant)
    other = open_variant(tmp_path, REACH, Variant("as it is", variant.schedule, variant.tau))[2]
    theirs = type(model).from_pretrained(tmp_path).state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, theirs[name]) and torch.equal(tensor, other.state_dict()[name]), name


def test_variants_have_names_of_their_own_and_differ_behind_the_source():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    positions = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    tables = [table(positions, 11, variant) for variant in VARIANTS]
    for at, one in enumerate(tables):
        assert one.shape == (11, 6) and torch.equal(one[:4], positions)
        # geometric 2 and exp are other curves; no two variants are one.
        assert not any(torch.equal(one, other) for other in tables[at + 1 :])


def test_random_rows_have_the_norms_of_the_source_and_a_seed():
    positions = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    one, two, again = (table(positions, 10, Variant("r", "random", seed=seed)) for seed in (0, 1, 0))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.allclose(one.norm(dim=1), positions.norm(dim=1)[torch.arange(10) % 4])
    assert table(positions, 10, Variant("z", "zero"))[4:].eq(0).all()


def test_mass_aside_distinguishes_the_right_place_from_its_copies():
    # Two heads over three repetitions of four places: the first looks at the subword before, the second at the place of
    # the next subword in every repetition alike.
    n, length = 4, 12
    weights = torch.zeros(2, 2, length, length)
    for place in range(length):
        if place:
            weights[:, 0, place, place - 1] = 1
        for repetition in range(3):
            if (place % n) + 1 < n:
                weights[:, 1, place, repetition * n + place % n + 1] = 1 / 3
    for own, other in mass_aside(weights, (-1, 1), n):
        assert own == pytest.approx((1 + 1 / 3) / 2) and other == pytest.approx((0 + 2 / 3) / 2)


# Intervals.


def test_a_difference_is_that_of_the_means_and_its_interval_holds_it():
    drawn = np.random.default_rng(0)
    counts = drawn.integers(1, 9, (40, 3)).astype(float)
    other = Sums(counts * drawn.normal(5, 1, counts.shape), counts)
    variant = Sums(other.losses + counts * drawn.normal(0.1, 0.2, counts.shape), counts)
    apart, low, high = difference(variant, other)
    assert apart == pytest.approx(variant.mean() - other.mean())
    assert low < apart < high and low > 0
    behind, *_ = difference(variant, other, first=1)
    assert behind == pytest.approx(variant.mean(1) - other.mean(1))
    assert difference(variant, variant) == (0.0, 0.0, 0.0)
    # The same amount for each masked subword leaves nothing to chance.
    shifted = Sums(other.losses + 0.25 * counts, counts)
    assert difference(shifted, other) == pytest.approx((0.25, 0.25, 0.25))


def test_an_interval_is_as_wide_as_that_of_the_normal_distribution():
    drawn = np.random.default_rng(1)
    counts = np.full((400, 1), 10.0)
    apart = drawn.normal(0, 1, 400)
    variant = Sums(counts * apart[:, None], counts)
    _, low, high = difference(variant, Sums(0 * counts, counts))
    assert high - low == pytest.approx(2 * 1.96 * apart.std() / 20, rel=0.05)


def test_groups_are_drawn_whole():
    counts = np.ones((40, 1))
    apart = np.repeat([[1.0], [-1.0], [0.5], [-0.5]], 10, axis=0)
    variant, other = Sums(apart, counts), Sums(0 * counts, counts)
    _, low, high = difference(variant, other)
    _, wide_low, wide_high = difference(variant, other, groups=np.repeat(list("abcd"), 10))
    assert wide_high - wide_low > 2 * (high - low)


def test_other_masks_are_refused():
    with pytest.raises(ValueError, match=r"the same masked places.*one draw of masks"):
        difference(Sums(np.ones((2, 1)), np.ones((2, 1))), Sums(np.ones((2, 1)), 2 * np.ones((2, 1))))


# Text and training.


def test_documents_keep_their_order_and_every_eighth_article_is_held_out(tmp_path):
    (tmp_path / "korquad-v1").mkdir()
    articles = [
        {"title": str(at), "paragraphs": [{"context": f"{at} 하나", "qas": []}, {"context": f"{at} 둘", "qas": []}]}
        for at in range(9)
    ]
    file = tmp_path / "korquad-v1" / "some.json"
    file.write_text(json.dumps({"data": articles}), encoding="utf-8")
    found = documents(tmp_path)
    assert [each.text for each in found] == [f"{at} 하나\n{at} 둘" for at in range(9)]
    assert [each.held_out for each in found] == [True, *[False] * 7, True]
    texts = in_subwords(found, small_tokenizer([each.text for each in found], 90, 8), 4, 5)
    assert set(texts.names) == {"korquad 0", "korquad 8"} and all(len(row) == 5 for row in texts.held_out)
    assert texts.short and all(len(row) == 4 for row in texts.short)


def test_a_folder_without_articles_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected KorQuAD's JSON.*--data"):
        documents(tmp_path)


def test_the_tokenizer_keeps_hangul_and_puts_ends_around():
    tokenizer = small_tokenizer(SENTENCES, 400, REACH)
    assert tokenizer.decode(tokenizer("회장이 비가")["input_ids"]).replace(" ", "").startswith("<s>")
    ids = tokenizer("서울에서 서울에서")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == 0 and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids and tokenizer.mask_token_id == 4


def test_a_killed_training_resumes(tmp_path):
    tokenizer = roberta_tokenizer()
    subwords = tokenizer(" ".join(SENTENCES * 5), add_special_tokens=False)["input_ids"]
    rows = list(stretches(subwords, REACH, 5, 0, 2))
    masks = draw_masks(tokenizer, rows[:3], 1, seed=0)
    settings = {"seed": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "logging_steps": 2, "save_steps": 2}
    settings |= {"warmup_steps": 1}

    class Killed(Exception):
        pass

    def run(folder, dies_at=None):
        seen = []

        def measure(model):
            if dies_at is not None and len(seen) == dies_at:
                raise Killed
            assert not model.training
            seen.append(len(seen))
            return float(np.nanmean(losses_by_place(*parts(model), masks)))

        model = small_roberta(len(tokenizer), REACH, 32, 1, seed=0)
        train(model, tokenizer, rows, folder, [Evaluates(2, measure, folder / "seen.json")], max_steps=6, **settings)
        return json.loads((folder / "seen.json").read_text(encoding="utf-8"))

    looks = run(tmp_path / "whole")
    assert list(looks) == ["0", "2", "4", "6"] and looks["6"] < looks["0"]
    with pytest.raises(Killed):
        run(tmp_path / "killed", dies_at=2)
    # The second call starts from step 2: what was seen stays, what comes draws other masks but learns on.
    again = run(tmp_path / "killed")
    assert list(again) == list(looks)
    assert [again["0"], again["2"]] == [looks["0"], looks["2"]]
    assert again["6"] < again["4"] < again["2"]


def test_positions_begin_as_waves_whose_products_hang_on_distance_alone():
    model = small_roberta(50, 16, 32, 1, seed=0)
    rows = model.roberta.embeddings.position_embeddings.weight[2:].detach()
    spread = model.config.initializer_range
    assert torch.allclose(rows.norm(dim=1), torch.full((16,), 2 * spread * 32**0.5), rtol=1e-5)
    products = rows @ rows.T
    for distance in range(1, 16):
        line = products.diagonal(distance)
        assert torch.allclose(line, line[:1].expand(16 - distance), atol=1e-5)


def test_the_first_heads_begin_looking_one_and_two_places_aside():
    rates = wave_rates(128)
    query, key = looking_aside(rates, OFFSETS)
    rows = waves(40, rates)
    products = torch.einsum("phd,khd->hpk", *((rows @ each.T).unflatten(1, (4, HEAD)) for each in (query, key)))
    for head, offset in enumerate(OFFSETS):
        best = products[head].argmax(1)[2:-2]
        assert best.tolist() == [place + offset for place in range(2, 38)]
    # So does a whole model, whatever words stand there.
    model = small_roberta(50, 40, 128, 1, seed=0).roberta.eval()
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 50, (1, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights = model(ids, output_attentions=True).attentions[0][0]
    for head, offset in enumerate(OFFSETS):
        hits = weights[head].argmax(1)[2:-2] == torch.arange(2, 38) + offset
        assert hits.double().mean() > 0.9
