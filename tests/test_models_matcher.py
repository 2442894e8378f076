import numpy as np
import pytest
from fakes_kb import pair

from kb.types import Candidate, Retrieved
from models.calibrate import Calibration
from models.matcher import EvidenceMatcher
from models.probe import Probe

CALIBRATION = Calibration(slope=10.0, intercept=-5.0, threshold=0.5, origin="fitted", validation={})
ASKED = np.array([1.0, 0.0], dtype=np.float32)
# Two fitted texts: the first is what is asked and speaks for pair a, the second is far from it and speaks for pair b.
PROBE = Probe(np.eye(2, dtype=np.float32), np.array([[0.5, 0.0], [0.0, 0.5]], dtype=np.float32), gamma=100.0)
ROW = {"a": 0, "b": 1}


def retrieved(**evidence):
    """What was found: pair ids with their evidence."""
    candidates = tuple(
        Candidate(
            pair=pair("Where?", "Here.", pair_id=pair_id),
            phrasing="Where?",
            role="question",
            similarity=0.9,
            answer_similarity=0.1,
            lexical=0.2,
            evidence=value,
        )
        for pair_id, value in evidence.items()
    )
    vectors = np.zeros((len(candidates), 2), dtype=np.float32)
    return Retrieved(question="Where is it?", candidates=candidates, question_vector=ASKED, vectors=vectors)


def logistic(evidence):
    return 1 / (1 + np.exp(5.0 - 10.0 * evidence))


def test_relevance_is_the_calibrated_probability_of_the_evidence():
    relevance = EvidenceMatcher(CALIBRATION).relevance(retrieved(a=0.5, b=1.0))
    assert relevance.tolist() == pytest.approx([0.5, logistic(1.0)])


def test_the_value_of_the_probe_is_added_to_the_evidence_of_its_pair():
    matcher = EvidenceMatcher(CALIBRATION, PROBE, ROW, weight=0.4)
    relevance = matcher.relevance(retrieved(b=0.5, a=0.5))
    assert relevance.tolist() == pytest.approx([0.5, logistic(0.5 + 0.4 * 0.5)])


def test_without_weight_the_probe_changes_nothing():
    plain, probed = EvidenceMatcher(CALIBRATION), EvidenceMatcher(CALIBRATION, PROBE, ROW, weight=0.0)
    assert (plain.relevance(retrieved(a=0.4, b=0.6)) == probed.relevance(retrieved(a=0.4, b=0.6))).all()


def test_relevance_is_between_0_and_1_for_any_evidence():
    relevance = EvidenceMatcher(CALIBRATION).relevance(retrieved(a=-9.0, b=-1.0, c=0.0, d=9.0))
    assert ((relevance >= 0) & (relevance <= 1)).all()
    assert (np.diff(relevance) >= 0).all()


@pytest.mark.parametrize("probe", [None, PROBE])
def test_no_candidate_has_no_relevance(probe):
    assert EvidenceMatcher(CALIBRATION, probe, ROW, weight=1.0).relevance(retrieved()).shape == (0,)


def test_nothing_was_trained():
    assert EvidenceMatcher(CALIBRATION).checkpoint == "zero-shot"
