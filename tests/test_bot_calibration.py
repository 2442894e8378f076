from dataclasses import replace

import numpy as np
import pytest
from fakes_bot import ASKED_SHOP, SHOP, assembled
from fakes_encoder import FakeEncoder

from bot.asking import Judges
from bot.calibration import calibrate, known_to_training, off_topic_bank, off_topic_of, own_phrasings, parts_of_bank
from bot.config import Config
from models.calibrate import DEFAULT, CalibrationConfig, fit_calibration
from models.matcher import MatchSettings
from models.probe import FittedProbe, ProbeConfig

PAIRS = ASKED_SHOP
CONFIG = CalibrationConfig(fewest=20)


@pytest.fixture
def fit(tmp_path):
    """Calibrates over pairs, by default with phrasings enough; gives the calibration and what the encoder saw."""

    def call(pairs=PAIRS, config=CONFIG, progress=None):
        encoder = FakeEncoder(dimension=512)
        parts = assembled(tmp_path, pairs, encoder, Config(calibration=CalibrationConfig(fewest=10**6)))
        encoder.batches.clear()
        judges = Judges(retriever=parts.retriever)
        return calibrate(judges, own_phrasings(judges, parts.speller, config), config, progress), encoder

    return call


def test_the_bank_holds_several_hundred_different_questions():
    bank = off_topic_bank()
    assert len(bank) == len(set(bank)) > 300
    assert all(each == each.strip() for each in bank)


def test_what_training_measures_on_is_not_among_what_it_learns_calibrates_and_compares_with():
    learnt, calibrated, measured = parts_of_bank()
    assert sorted([*learnt, *calibrated, *measured]) == sorted(off_topic_bank())
    assert set(known_to_training()) == {*learnt, *calibrated}
    assert not set(known_to_training()) & set(measured)


def test_what_the_knowledge_base_has_itself_is_not_off_topic_to_it(tmp_path):
    retriever = assembled(tmp_path, PAIRS).retriever
    bank = [PAIRS[0].phrasings[0], "zzz yyy xxx"]
    found = off_topic_of(retriever, bank, retriever.encoder.encode(bank))
    own, strange = retriever.encoder.encode(bank)
    assert len(found.vectors) == 1
    assert found.similarity(strange) == pytest.approx(1)
    assert found.similarity(own) < 1
    assert found.similarity(strange, without=bank[1]) == 0


def test_phrasings_are_found_though_they_are_hidden_and_the_bank_is_refused(fit):
    calibration, _ = fit()
    assert calibration.origin == "fitted"
    assert calibration.validation["accuracy"] > 0.9
    assert calibration.validation["coverage"] > 0.9
    assert calibration.validation["far_refused"] > 0.9


def test_with_too_few_phrasings_the_default_stays_and_nothing_is_encoded(fit):
    calibration, encoder = fit(SHOP)
    assert calibration is DEFAULT
    assert encoder.encoded == []


def test_no_more_phrasings_are_asked_than_configured(fit):
    calibration, _ = fit(config=replace(CONFIG, questions=25))
    assert calibration.validation["in_scope"] == 25


def test_phrasings_are_not_encoded_again(fit):
    _, encoder = fit()
    assert set(encoder.encoded) == set(off_topic_bank())


def test_the_same_knowledge_gives_the_same_calibration(fit):
    assert fit()[0] == fit()[0]


def test_progress_ends_at_the_total(fit):
    told = []
    fit(progress=lambda done, total: told.append((done, total)))
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] == len(off_topic_bank()) + sum(len(each.phrasings) for each in PAIRS)


def test_with_a_probe_too_hidden_phrasings_are_found_and_the_bank_is_refused(tmp_path):
    parts = assembled(tmp_path, PAIRS, config=Config(calibration=CONFIG))
    assert parts.judges.probe is not None
    assert parts.calibration.origin == "fitted"
    assert parts.calibration.validation["accuracy"] > 0.9
    assert parts.calibration.validation["far_refused"] > 0.9


def test_what_is_hidden_is_hidden_from_the_probe_too(tmp_path):
    # Each phrasing is of words of its own: whoever had seen it would find its pair.
    pairs = [replace(pair, phrasings=tuple(f"{pair.pair_id}x{at} y{at}" for at in range(5))) for pair in SHOP]
    parts = assembled(tmp_path, pairs, config=Config(calibration=CONFIG))
    assert parts.judges.probe is not None
    assert parts.calibration is DEFAULT or parts.calibration.validation["accuracy"] < 0.5


def test_the_calibration_is_that_of_indexes_and_probes_that_never_held_what_is_hidden(tmp_path):
    parts = assembled(tmp_path, PAIRS, config=Config(calibration=CONFIG))
    retriever, settings = parts.retriever, ProbeConfig()
    vectors = retriever.entry_vectors(range(len(retriever.entries)))
    rows = np.array([entry.row for entry in retriever.entries])

    def combined(text, vector, hidden, probe=None):
        kept = [at for at in range(len(rows)) if at not in hidden]
        probe = probe or FittedProbe(vectors[kept], rows[kept], len(PAIRS), settings)
        return retriever.evidence(text, vector, hidden=hidden).fused + settings.weight * probe.values(vector[None])[0]

    phrasings = [at for at, entry in enumerate(retriever.entries) if entry.role == "phrasing"]
    alone, near = [], []
    for at in phrasings:
        topic = PAIRS[rows[at]].topic
        same_topic = [other for other in range(len(rows)) if PAIRS[rows[other]].topic == topic]
        alone.append(combined(retriever.entries[at].text, vectors[at], [at]))
        near.append(combined(retriever.entries[at].text, vectors[at], same_topic).max())
    bank = off_topic_bank()
    far = [
        combined(*each, [], parts.judges.probe).max() for each in zip(bank, retriever.encoder.encode(bank), strict=True)
    ]
    off_topic = off_topic_of(retriever, bank, retriever.encoder.encode(bank))
    similar = np.array([off_topic.similarity(vectors[at]) for at in phrasings])
    strange = [off_topic.similarity(*each) for each in zip(retriever.encoder.encode(bank), bank, strict=True)]
    expected = fit_calibration(
        off_topic=(similar, similar, np.array(strange)),
        in_scope=np.max(alone, axis=1),
        is_right=np.argmax(alone, axis=1) == rows[phrasings],
        near=np.array(near),
        far=np.array(far),
        config=CONFIG,
    )
    found = parts.calibration
    assert (found.slope, found.off_topic) == pytest.approx((expected.slope, expected.off_topic), rel=1e-3)
    assert (found.intercept, found.threshold) == pytest.approx((expected.intercept, expected.threshold), rel=1e-3)


def test_questions_of_customers_calibrate_as_well_as_own_phrasings(tmp_path):
    parts = assembled(tmp_path, PAIRS, config=Config(calibration=CONFIG))
    asked = own_phrasings(parts.judges, parts.speller, CONFIG)
    assert calibrate(parts.judges, asked, CONFIG, bank=off_topic_bank()) == parts.calibration
    few = calibrate(parts.judges, asked, CONFIG, bank=off_topic_bank()[::2])
    assert few.origin == "fitted"
    assert few != parts.calibration


def test_what_a_matcher_adds_is_calibrated_too(tmp_path):
    parts = assembled(tmp_path, PAIRS, config=Config(calibration=CONFIG))

    class Undecided:
        def logits(self, question, texts):
            return np.zeros(len(texts), dtype=np.float32)

    # It takes the same from all that it reads, and so the same value says more.
    judges = replace(parts.judges, cross_encoder=Undecided(), settings=MatchSettings(weight=0.2, margin=np.inf))
    found = calibrate(judges, own_phrasings(judges, parts.speller, CONFIG), CONFIG)
    assert found.validation["accuracy"] == parts.calibration.validation["accuracy"]
    assert found.probability(np.ones(1)) > parts.calibration.probability(np.ones(1))
