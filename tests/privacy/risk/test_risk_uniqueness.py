"""How much of a population is unique: ARX's known answers, simulated populations, and what cannot be told."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.risk import uniqueness
from workbench.privacy.anonymity.risk.uniqueness import Estimate, NotAvailable, Sample, population_uniqueness

ADULT = Path(__file__).parents[2] / "data_files" / "adult" / "adult.csv.gz"
USA = 317_238_626

# population: Pitman, Zayatz, Dankar's rule, as ARX 3.9.2 and its own tests give them
KNOWN = {
    USA: (0.038896188531360315, 0.2645647181504129, 0.038896188531360315),
    60_324: (0.43590279806404286, 0.43194944819318987, None),
    301_620: (0.27684993883653597, 0.3207402393466189, 0.27684993883653597),
    3_016_200: (0.1446083531167384, 0.2717127199363312, 0.1446083531167384),
    150_810: (None, 0.3577099234829125, None),
}


@pytest.fixture(scope="module")
def adult():
    with gzip.open(ADULT, "rt", encoding="utf-8") as file:
        frame = pd.read_csv(file, sep=";", dtype=str)
    return Classes.of(frame, list(frame.columns))


@pytest.mark.parametrize(("residents", "known"), KNOWN.items())
def test_on_adult_pitman_zayatz_and_dankar_say_what_arx_says(adult, residents, known):
    said = population_uniqueness(adult, residents=residents)

    for model, answer in zip(("pitman", "zayatz", "dankar"), known, strict=True):
        if answer is not None:
            assert said[model].share == pytest.approx(answer, abs=1e-6)


@pytest.mark.parametrize("residents", [60_324, 150_810])
def test_above_a_tenth_dankar_takes_the_smaller_of_zayatz_and_snb(adult, residents):
    """ARX answers with Zayatz there, as its SNB never converges; the rule says what it would have taken."""
    said = population_uniqueness(adult, residents=residents)

    assert isinstance(said["snb"], Estimate)
    assert said["dankar"].share == min(said["snb"].share, said["zayatz"].share)
    assert said["dankar"].model in ("snb", "zayatz")


def test_a_table_that_is_the_population_has_its_own_share(adult):
    said = population_uniqueness(adult, residents=30_162)

    assert {answer.share for answer in said.values()} == {0.5142895033485844}


def drawn(sizes: np.ndarray, fraction: float, rng: np.random.Generator) -> tuple[Classes, float]:
    """The classes of a random sample of a population with classes of these sizes, and its true share of uniques."""
    everyone = np.repeat(np.arange(len(sizes)), sizes)
    chosen = rng.random(len(everyone)) < fraction
    return Classes.of(pd.DataFrame({"x": everyone[chosen]}), ["x"]), float((sizes == 1).sum() / len(everyone))


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.1), (1.0, 0.3), (2.0, 0.5)])
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_snb_finds_the_share_of_a_population_drawn_from_its_model(alpha, beta, fraction):
    """60,000 classes of one more than a negative binomial: the estimate is within a fifth of the truth."""
    rng = np.random.default_rng(7)
    classes, truth = drawn(1 + rng.negative_binomial(alpha, beta, 60_000), fraction, rng)
    residents = round(len(classes.member) / fraction)

    said = population_uniqueness(classes, residents=residents)["snb"]

    assert said.share == pytest.approx(truth, rel=0.2)


def test_pitman_finds_the_share_of_a_population_drawn_from_its_model():
    """Pitman's urn, theta 200 and alpha 0.6, 100,000 residents, of whom a tenth are seen."""
    rng = np.random.default_rng(11)
    sizes: list[int] = []
    member = np.zeros(100_000, dtype=np.int64)
    for n in range(len(member)):
        if rng.random() * (n + 200) < 200 + 0.6 * len(sizes):
            member[n] = len(sizes)
            sizes.append(1)
        else:
            while rng.random() >= 1 - 0.6 / sizes[at := member[rng.integers(n)]]:
                pass
            member[n] = at
            sizes[at] += 1
    truth = np.count_nonzero(np.array(sizes) == 1) / len(member)
    sample = member[rng.random(len(member)) < 0.1]

    said = population_uniqueness(Classes.of(pd.DataFrame({"x": sample}), ["x"]), residents=len(member))

    assert said["pitman"].share == pytest.approx(truth, rel=0.1)
    assert said["dankar"] == said["pitman"]


def classes_of(*sizes: int) -> Classes:
    return Classes.of(pd.DataFrame({"x": np.repeat(np.arange(len(sizes)), sizes)}), ["x"])


def test_where_everybody_is_unique_pitman_and_snb_are_not_available():
    """Another tool says 0 here: the most exposed table of all would read as safe."""
    said = population_uniqueness(classes_of(*[1] * 50), residents=5_000)

    assert isinstance(said["pitman"], NotAvailable)
    assert isinstance(said["snb"], NotAvailable)
    assert said["zayatz"] == Estimate("zayatz", pytest.approx(1))
    assert said["dankar"] == said["zayatz"]


@pytest.mark.parametrize("model", uniqueness.MODELS)
def test_an_empty_table_has_no_estimate(model):
    said = population_uniqueness(classes_of(), residents=100)[model]

    assert isinstance(said, NotAvailable)
    assert said.ja
    assert said.en


@pytest.mark.parametrize("model", uniqueness.MODELS)
def test_where_nobody_is_alone_in_the_sample_nobody_in_it_is_alone_outside(model):
    assert population_uniqueness(classes_of(2, 2, 5), residents=100)[model] == Estimate(model, 0)


def test_what_is_not_available_is_no_number():
    with pytest.raises(TypeError):
        float(uniqueness.failed("snb"))
    assert not hasattr(uniqueness.failed("snb"), "share")


def test_a_population_smaller_than_its_sample_is_no_question():
    with pytest.raises(Usage, match="3"):
        population_uniqueness(classes_of(1, 2), residents=2)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 2), (1,), (1, 500), (1, 1, 2, 2, 2, 3), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("residents", [600, 10_000, 10**9])
def test_small_and_odd_tables_give_a_share_or_a_reason(sizes, residents):
    for answer in population_uniqueness(classes_of(*sizes), residents=residents).values():
        assert isinstance(answer, NotAvailable) or 0 < answer.share <= 1


def test_the_scores_of_pitman_are_the_slopes_of_its_likelihood():
    """The closed forms against differences of the likelihood as its formula reads."""
    sample = Sample.of(classes_of(1, 1, 2, 3, 5), residents=100)

    def likelihood(theta, alpha):
        u, n = int(sample.classes), int(sample.children)
        inner = sum(
            c * np.log(j - alpha)
            for s, c in zip(sample.size, sample.count, strict=True)
            for j in range(1, int(s))
        )
        return (
            sum(np.log(theta + i * alpha) for i in range(1, u))
            - sum(np.log(theta + i) for i in range(1, n))
            + inner
        )

    step, theta, alpha = 1e-6, 2.0, 0.4
    by_theta = (likelihood(theta + step, alpha) - likelihood(theta - step, alpha)) / (2 * step)
    by_alpha = (likelihood(theta, alpha + step) - likelihood(theta, alpha - step)) / (2 * step)
    assert uniqueness.pitman_scores(sample, theta, alpha) == pytest.approx([by_theta, by_alpha], abs=1e-6)


def test_snb_expects_what_thinning_its_classes_gives():
    """Expected classes of one, of two and of any size, against a large simulated population."""
    rng = np.random.default_rng(3)
    alpha, beta, fraction, many = 0.7, 0.3, 0.4, 400_000
    seen = rng.binomial(1 + rng.negative_binomial(alpha, beta, many), fraction)
    size, met = np.unique(seen[seen > 0], return_counts=True)
    sample = Sample(size.astype(float), met.astype(float), residents=round((met @ size) / fraction))

    assert uniqueness.snb_classes(sample, alpha, beta) == pytest.approx(many, rel=0.01)
    assert uniqueness.snb_gaps(sample, alpha, beta) == pytest.approx([0, 0], abs=0.01)


def test_zayatz_draws_without_replacement():
    """The product of factors against the library's hypergeometric, where that is exact."""
    sample = Sample.of(classes_of(1, 2, 3, 7, 40), residents=100)

    expected = stats.hypergeom.pmf(1, 100, sample.size.astype(int), 53)
    assert uniqueness.drawn_once(sample) == pytest.approx(expected, rel=1e-12)
