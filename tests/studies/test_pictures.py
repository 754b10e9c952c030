"""The pictures and tables of the studies, against the numbers in their files."""

import json

import numpy as np
import pytest
from drawing_cases import drawn, lines_of, texts_of  # noqa: F401
from matplotlib.colors import to_rgb

from benchmarks import sparse_attention
from kospan.evaluation.bootstrap import paired
from studies import long_documents_page, loraplus, taper_page
from studies.long_scores import WIDTH, apart, by_bucket, score
from studies.taper_measure import Sums, difference
from studies.taper_variants import TAUS


def sums(seed: int, level: float, places: int = 3) -> Sums:
    generator = np.random.default_rng(seed)
    counts = generator.integers(3, 9, (20, places)).astype(float)
    return Sums(counts * (level + np.arange(places) + 0.1 * generator.normal(size=counts.shape)), counts)


def alike(base: Sums, more: float) -> Sums:
    """The same places, each masked subword with about so much more loss, which grows from place to place."""
    apart = more * np.arange(1, base.counts.shape[1] + 1) * np.linspace(0.5, 1.5, len(base.counts))[:, None]
    return Sums(base.losses + base.counts * apart, base.counts)


@pytest.fixture
def taper(tmp_path):
    """Results of a TAPER study: three decay schedules at two taus, rows of zeros, two seeds of random rows, windows."""
    tiling = sums(0, 5.0)
    variants = {
        "tiling": tiling,
        "exp 1": alike(tiling, 0.25),
        "exp 2": alike(tiling, -0.5),
        "power 2": alike(tiling, 0.125),
        "zero": alike(tiling, 1.0),
        "random 0": alike(tiling, 2.0),
        "random 1": alike(tiling, 4.0),
    }
    work = tmp_path / "work"
    for attention in ("full", "sparse"):
        for name, each in variants.items():
            write(work / "schedules" / attention / f"{name}.json", kept(each))
    for name in ("0", "126"):
        write(work / "schedules" / "windows" / f"{name}.json", kept(alike(tiling, -0.75)))
    losses = [{"step": 10, "loss": 7.5}, {"step": 20, "loss": 6.25}]
    write(work / "pretrain.json", {"losses": losses, "parameters": 1000, "cpu_seconds": 5.0})
    for name, levels in (("tiling", (5.0, 4.0)), ("short", (6.0, 5.5))):
        steps = {str(step): kept(sums(1, level)) for step, level in zip((0, 100), levels)}
        write(work / "further" / f"{name}.json", steps)
    write(work / "heads.json", {"tiling": [[0.25, 0.75], [0.125, 0.5]], "exp 1": [[0.9, 0.1], [0.0, 0.2]]})
    return work, variants


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """The first table behind a heading, by the first cell of a row."""
    lines = page[page.index(heading) :].splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("|"))
    last = next((at for at in range(first, len(lines)) if not lines[at].startswith("|")), len(lines))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:last]]
    return {row[0]: row[1:] for row in rows if not row[0].startswith("--")}


def test_the_tables_of_taper(taper, tmp_path):
    work, variants = taper
    sources = [f"source {at % 4}" for at in range(20)]
    taper_page.write_page(work, tmp_path, sources)
    page = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert page.startswith("Pretraining: 1,000 parameters, 5 CPU seconds, last loss 6.25.\n")
    both = (variants["random 0"].losses + variants["random 1"].losses) / 2
    shown = {name: each for name, each in variants.items() if not name.startswith("random")}
    shown |= {"random, 2 seeds": Sums(both, variants["tiling"].counts)}
    shown |= {f"windows, {name}": alike(variants["tiling"], -0.75) for name in ("0", "126")}
    for heading in ("## Full attention", "## Block-sparse attention"):
        found = rows_of(page, heading)
        assert found.pop("variant")[:4] == ["0-", "128-", "256-", "all"] and set(found) == set(shown)
        for name, each in shown.items():
            means = [f"{value:.3f}" for value in [*each.means(), each.mean()]]
            if name == "tiling":
                assert found[name] == [*means, "", "", ""]
                continue
            apart, low, high = difference(each, variants["tiling"], 1)
            _, wide_low, wide_high = difference(each, variants["tiling"], 1, sources)
            intervals = [f"{low:+.4f} to {high:+.4f}", f"{wide_low:+.4f} to {wide_high:+.4f}"]
            assert found[name] == [*means, f"{apart:+.4f}", *intervals]
    heads = rows_of(page, "## Where the first layer's heads look")
    assert heads == {
        "variant": ["0-", "128-"],
        "tiling": ["0.25 / 0.75", "0.12 / 0.50"],
        "exp 1": ["0.90 / 0.10", "0.00 / 0.20"],
    }
    further = rows_of(page, "## Further training")
    assert further["from"] == ["step 0", "step 100"]
    assert further["short"] == [f"{sums(1, level).mean():.3f}" for level in (6.0, 5.5)]
    for step, one, other in ((0, 6.0, 5.0), (100, 5.5, 4.0)):
        apart, low, high = difference(sums(1, one), sums(1, other))
        assert f"- short, step {step}: {apart:+.4f} ({low:+.4f} to {high:+.4f})\n" in page


def write(path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def kept(each: Sums) -> dict:
    return {"losses": each.losses.tolist(), "counts": each.counts.tolist()}


def by_title(drawn) -> dict:  # noqa: F811
    return {canvas.axes[0].get_title(loc="left"): canvas.axes[0] for canvas in drawn}


def test_taper(taper, tmp_path, drawn):  # noqa: F811
    work, variants = taper
    taper_page.write_page(work, tmp_path / "out", [f"source {at % 4}" for at in range(20)])
    names = {"tables.md", "pretraining.png", "further.png"}
    names |= {f"{kind}_{attention}.png" for kind in ("buckets", "taus") for attention in ("full", "sparse")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    found = by_title(drawn)
    assert len(found) == 6
    [line] = found["Pretraining of the short model"].lines
    assert list(zip(line.get_xdata(), line.get_ydata())) == [(10, 7.5), (20, 6.25)]

    buckets = found["Block-sparse attention: difference to tiling by position"]
    lines = lines_of(buckets)
    assert set(lines) == {"tiling", "exp 1", "exp 2", "zero", "random, 2 seeds", "windows of 128, 126"}
    shown = {name: variants[name] for name in ("exp 1", "exp 2", "zero")}
    # Of random rows the mean over seeds is drawn.
    both = (variants["random 0"].losses + variants["random 1"].losses) / 2
    shown |= {
        "random, 2 seeds": Sums(both, variants["tiling"].counts),
        "windows of 128, 126": alike(variants["tiling"], -0.75),
    }
    bands = {band.get_facecolor()[0][:3].tobytes(): band for band in buckets.collections}
    for name, each in shown.items():
        expected = np.array(each.means()) - np.array(variants["tiling"].means())
        assert lines[name] == [pytest.approx((64 + 128 * at, expected[at])) for at in range(3)], name
        [line] = [line for line in buckets.lines if line.get_label() == name]
        corners = bands[np.array(to_rgb(line.get_color())).tobytes()].get_paths()[0].vertices
        for x, middle in lines[name]:
            low, high = (edge(y for at, y in corners if at == x) for edge in (min, max))
            assert low < middle < high
    assert buckets.get_xlabel() == "position in the document" and "minus that of tiling" in buckets.get_ylabel()
    assert [y for _, y in lines["tiling"]] == [0, 0] and len(buckets.collections) == len(shown)

    taus = found["Full attention: decay schedules and tau"]
    bars = {bar.get_label(): bar for bar in taus.containers}
    assert set(bars) == {"exp", "power"}
    expected = {"exp": [(1, "exp 1"), (2, "exp 2")], "power": [(2, "power 2")]}
    for at, (schedule, points) in enumerate(expected.items()):
        line, _, [segments] = bars[schedule].lines
        for place, (tau, name) in enumerate(points):
            apart, low, high = difference(variants[name], variants["tiling"], 1)
            x, y = line.get_xdata()[place], line.get_ydata()[place]
            assert (x, y) == pytest.approx((np.log2(tau) + 0.05 * (at - 1), apart))
            np.testing.assert_allclose(segments.get_segments()[place], [[x, low], [x, high]])
    assert texts_of(taus.get_xticklabels()) == [f"{tau:g}" for tau in TAUS]
    np.testing.assert_allclose(taus.get_xticks(), np.log2(TAUS))
    assert [y for _, y in lines_of(taus)["tiling"]] == [0, 0]
    zero = lines_of(taus)["zero"]
    assert zero[0][1] == zero[1][1] == pytest.approx(difference(variants["zero"], variants["tiling"], 1)[0])

    axes = found["Further training on long text"]
    assert {line.get_label().split()[0]: line.get_linestyle() for line in axes.lines} == {"short": "--", "from": "-"}
    further = lines_of(axes)
    assert {name.split()[0]: [step for step, _ in points] for name, points in further.items()} == {
        "short": [0, 100],
        "from": [0, 100],
    }
    assert further["from tiling"] == [
        (0, pytest.approx(sums(1, 5.0).mean())),
        (100, pytest.approx(sums(1, 4.0).mean())),
    ]


@pytest.fixture
def long_documents(tmp_path) -> dict[str, list[np.ndarray]]:
    """Results of entities by place: rows of each variant, a seed each, whose files stand under `results`."""
    generator = np.random.default_rng(2)
    rows: dict[str, list[np.ndarray]] = {}
    for variant, many in (("baseline", 1), ("windowed", 2), ("converted", 2)):
        for seed in range(many):
            found = generator.integers(0, 3, (6, 4, 1))
            found = np.concatenate([found, found + 1, np.full_like(found, 3)], axis=2).astype(float)
            found[:, 3] = 0  # nothing stands there
            rows.setdefault(variant, []).append(found)
            name = variant if variant == "baseline" else f"{variant}-{seed}"
            kept = {"rows": {"f1": found.tolist()}, "seed": seed, "cpu_seconds": 10.0 * seed + 5}
            write(tmp_path / "results" / "entities" / f"{name}.json", kept)
    return rows


def test_the_tables_of_long_documents(long_documents, tmp_path):
    long_documents_page.write_page(tmp_path / "results", tmp_path / "out")
    page = (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    places = rows_of(page, "## Entities")
    assert places.pop("variant, F1") == ["0-", "128-", "256-", "all", "spread of seeds"]
    some = long_documents["windowed"][0]
    counts = [some[:, at, 2].sum() for at in range(3)]
    assert places.pop("of so many") == [*(f"{count:.0f}" for count in counts), f"{sum(counts):.0f}", ""]
    assert set(places) == set(long_documents)
    for variant, seeds in long_documents.items():
        means = np.mean([by_bucket(rows)[:3] for rows in seeds], axis=0)
        whole = [score(rows) for rows in seeds]
        spread = f"{max(whole) - min(whole):.3f}" if len(whole) > 1 else ""
        assert places[variant] == [*(f"{mean:.3f}" for mean in means), f"{np.mean(whole):.3f}", spread]
    differences = rows_of(page, "| F1 less that of windowed")
    assert differences.pop("F1 less that of windowed") == ["all", "0-127", "128-"] and set(differences) == {"converted"}
    for cell, (first, last) in zip(differences["converted"], ((0, None), (0, 1), (1, None))):
        found = apart(long_documents["converted"], long_documents["windowed"], first, last)
        assert cell == f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        one, other = (
            2 * right / (said + gold)
            for variant in ("converted", "windowed")
            for right, said, gold in [sum(each[:, first:last].sum(axis=(0, 1)) for each in long_documents[variant])]
        )
        assert found.difference == pytest.approx(one - other)
    runs = rows_of(page, "| variant | seeds |")
    assert runs.pop("variant") == ["seeds", "each seed", "CPU seconds of a run"]
    assert runs == {
        variant: ["0, 1", ", ".join(f"{score(rows):.3f}" for rows in long_documents[variant]), "10"]
        for variant in ("converted", "windowed")
    }


def test_long_documents(long_documents, tmp_path, drawn):  # noqa: F811
    rows = long_documents
    long_documents_page.write_page(tmp_path / "results", tmp_path / "out")
    [canvas] = drawn
    [axes] = canvas.axes
    lines, bands = lines_of(axes), axes.collections
    assert axes.get_title(loc="left") == "Entities, strict F1" and axes.get_ylim()[0] == 0
    assert axes.get_ylabel() == "F1" and axes.get_xlabel() == "distance from the start of the document, subwords"
    assert set(lines) == set(rows) and len(bands) == 3
    for (variant, points), band in zip(lines.items(), bands):
        scores = np.array([by_bucket(each) for each in rows[variant]])[:, :3]
        middles = [WIDTH * at + WIDTH // 2 for at in range(3)]
        assert points == [pytest.approx(pair) for pair in zip(middles, scores.mean(axis=0))]
        corners = {tuple(map(float, corner)) for corner in band.get_paths()[0].vertices}
        for at, x in enumerate(middles):
            for edge in (scores[:, at].min(), scores[:, at].max()):
                assert any(corner == pytest.approx((x, edge)) for corner in corners)
    styles = {line.get_label(): line.get_linestyle() for line in axes.lines}
    assert styles == {"baseline": "--", "windowed": "-", "converted": "-"}


def test_steps_and_sizes_of_lora(drawn):  # noqa: F811
    def curve(*values):
        return np.array([[10.0 * at, value] for at, value in enumerate(values, 1)])

    found = {
        100: {"lora": np.stack([curve(0.1, 0.2), curve(0.3, 0.4)])},
        500: {"lora": np.stack([curve(0.5, 0.6)]), "lora_plus": np.stack([curve(0.7, 0.9)])},
    }
    loraplus.picture("f1", found)
    left, right = drawn[0].axes
    assert lines_of(left) == {"lora": [(10, pytest.approx(0.2)), (20, pytest.approx(0.3))]}
    assert lines_of(right) == {"lora": [(10, 0.5), (20, 0.6)], "lora_plus": [(10, 0.7), (20, 0.9)]}
    thin = [list(map(float, line.get_ydata())) for line in left.lines if line.get_linewidth() < 1]
    assert thin == [[0.1, 0.2], [0.3, 0.4]]
    assert (left.get_title(), right.get_title()) == ("100 sentences", "500 sentences")
    assert left.get_ylabel() == "f1" and left.get_xlabel() == right.get_xlabel() == "step"
    colours = {line.get_label(): line.get_color() for line in right.lines if line.get_label() in loraplus.VARIANTS}
    assert colours == {name: loraplus.VARIANTS[name] for name in ("lora", "lora_plus")}


def test_the_page_of_lora(tmp_path, monkeypatch, capsys):
    """At steps 100, 200, 300, of which LoRA+ needs as many as the straight lines between say."""
    values = {
        "lora-1": (0.2, 0.3, 0.4),
        "lora-2": (0.2, 0.3, 0.6),
        "lora_plus-1": (0.5, 0.6, 0.7),
        "lora_plus-2": (0.3, 0.6, 0.7),
        "lora_100-1": (0.1, 0.1, 0.3),
        "lora_plus_100-1": (0.1, 0.2, 0.2),
    }
    for at, (name, scores) in enumerate(values.items()):
        variant, _, seed = name.rpartition("-")
        curve = [{"step": 100 * turn, "eval_f1": score} for turn, score in enumerate(scores, 1)]
        write(tmp_path / name / "run.json", {"variant": variant, "seed": int(seed), "curve": [*curve, {"step": 1}]})
        rows = [[[(at + turn) % 3, 3, 2]] for turn in range(8)]
        write(tmp_path / name / "counts.json", {"counts": rows})
    monkeypatch.setattr("sys.argv", ["loraplus.py", str(tmp_path), "--out", str(tmp_path / "out" / "deep")])
    loraplus.main()
    page = (tmp_path / "out" / "deep" / "curves.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page + "\n"
    assert (tmp_path / "out" / "deep" / "curves.png").read_bytes().startswith(b"\x89PNG")
    sizes = rows_of(page, "# ")
    assert sizes.pop("sentences") == ["seeds", "`lora`", "`lora_plus`", "first", "LoRA's steps", "LoRA+'s share"]
    # LoRA ends at 0.5 in the mean, which LoRA+ has after 150 of 300 steps; 0.4 and 0.6 after 80 and 200.
    assert sizes["500"] == ["2", "0.5000 ± 0.1414", "0.7000 ± 0.0000", "`lora_plus`", "300", "50 % (27 %, 67 %)"]
    assert sizes["100"] == ["1", "0.3000", "0.2000", "`lora`", "300", "not reached (not reached)"]
    apart = rows_of(page, "## Differences")
    assert apart.pop("variant") == ["against", "seeds", "points", "95 %"]
    for variant, other, seeds in (("lora_plus", "lora", ("1", "2")), ("lora_plus_100", "lora_100", ("1",))):
        counts = []
        for name in (variant, other):
            files = [tmp_path / f"{name}-{seed}" / "counts.json" for seed in seeds]
            counts.append(sum(np.array(json.loads(file.read_text(encoding="utf-8"))["counts"]) for file in files))
        found = paired(*(each.sum(axis=1) for each in counts))
        points, low, high = (f"{100 * value:+.2f}" for value in (found.difference, found.low, found.high))
        assert apart[f"`{variant}`"] == [f"`{other}`", str(len(seeds)), points, f"[{low}, {high}]"]
    curves = rows_of(page, "500 sentences, means over seeds:")
    assert curves == {
        "step": ["100", "200", "300"],
        "`lora`": ["0.2000", "0.3000", "0.5000"],
        "`lora_plus`": ["0.4000", "0.6000", "0.7000"],
    }
    with pytest.raises(ValueError, match="found none; run the study first"):
        loraplus.curves(tmp_path / "out", "f1")


def test_time_memory_and_flops_of_sparse_attention(tmp_path, drawn):  # noqa: F811
    found = {
        f"{variant} {length}": {"time": length * at + 1, "memory": 2 * length * at, "flops": 3 * length * at}
        for at, variant in enumerate(sparse_attention.VARIANTS, 1)
        for length in sparse_attention.LENGTHS
    }
    sparse_attention.draw(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    titles = ["CPU seconds per step", "peak memory, MiB", "GFLOP per step"]
    assert [axes.get_title() for axes in drawn[0].axes] == titles
    for axes, kind in zip(drawn[0].axes, ("time", "memory", "flops")):
        lines = lines_of(axes)
        straight = lines.pop("straight line")
        assert lines == {
            name: [(length, found[f"{variant} {length}"][kind]) for length in sparse_attention.LENGTHS]
            for variant, name in sparse_attention.VARIANTS.items()
        }
        # What is drawn is a straight line already.
        assert straight == [pytest.approx(pair) for pair in lines["SparseBigBird"]]
        assert axes.get_ylim()[0] == 0 and list(axes.get_xticks()) == sparse_attention.LENGTHS
