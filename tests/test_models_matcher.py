import numpy as np
import pytest
from fakes_kb import pair

from kb.types import Candidate
from models.calibrate import Calibration
from models.matcher import ZeroShotMatcher

CALIBRATION = Calibration(slope=10.0, intercept=-5.0, threshold=0.5, origin="fitted", validation={})


def candidate(evidence):
    return Candidate(
        pair=pair("Where?", "Here."),
        phrasing="Where?",
        role="question",
        similarity=0.9,
        answer_similarity=0.1,
        lexical=0.2,
        evidence=evidence,
    )


def test_relevance_is_the_calibrated_probability_of_the_evidence():
    relevance = ZeroShotMatcher(CALIBRATION).relevance("Where is it?", [candidate(0.5), candidate(1.0)])
    assert relevance.tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-5.0))])


def test_relevance_is_between_0_and_1_for_any_evidence():
    relevance = ZeroShotMatcher(CALIBRATION).relevance("?", [candidate(each) for each in (-9.0, -1.0, 0.0, 9.0)])
    assert ((relevance >= 0) & (relevance <= 1)).all()
    assert (np.diff(relevance) >= 0).all()


def test_no_candidate_has_no_relevance():
    assert ZeroShotMatcher(CALIBRATION).relevance("?", []).shape == (0,)


def test_nothing_was_trained():
    assert ZeroShotMatcher(CALIBRATION).checkpoint == "zero-shot"
