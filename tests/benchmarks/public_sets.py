"""The public data sets that `public_data.py` measures on, with floors and published figures of their test questions.

A floor is MiniLM-L6 without training, measured on the same files; the other figures are the best published ones found.
All are of the test questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FLOOR = "floor: embeddings, nearest neighbour"
FUSION = "floor: .7 z(max of title and text) + .3 z(BM25)"
Figures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Where a set lies, and what others reach on its test questions, by the keys of a report.

    Of intents, `train`, `test` and `valid` are files; of retrieval, `test` and `valid` are splits and there is no
    `train`. `valid` is empty where there are no validation questions.
    """

    name: str
    folder: str
    test: str
    valid: str
    train: str = ""
    others: Mapping[str, Figures]


INTENTS = (
    DataSet(
        name="banking77",
        folder="intents/banking77",
        train="train.csv",
        test="test.csv",
        valid="valid.csv",
        others={FLOOR: {"in_scope_accuracy": 0.916}, "BERT-base, fine-tuned, about": {"in_scope_accuracy": 0.937}},
    ),
    DataSet(
        name="banking77-10",
        folder="intents/banking77",
        train="train_10.csv",
        test="test.csv",
        valid="valid.csv",
        others={FLOOR: {"in_scope_accuracy": 0.835}, "ICDA, 10-shot": {"in_scope_accuracy": 0.898}},
    ),
    DataSet(
        name="banking77-5",
        folder="intents/banking77",
        train="train_5.csv",
        test="test.csv",
        valid="valid.csv",
        others={FLOOR: {"in_scope_accuracy": 0.768}, "ICDA, 5-shot": {"in_scope_accuracy": 0.840}},
    ),
    DataSet(
        name="hint3-sofmattress",
        folder="intents/hint3-sofmattress",
        train="train.csv",
        test="test.csv",
        valid="",
        others={FLOOR: {"in_scope_accuracy": 0.745, "auroc": 0.887, "best_mcc": 0.642}},
    ),
    DataSet(
        name="hint3-curekart",
        folder="intents/hint3-curekart",
        train="train.csv",
        test="test.csv",
        valid="",
        others={FLOOR: {"in_scope_accuracy": 0.825, "auroc": 0.865, "best_mcc": 0.630}},
    ),
    DataSet(
        name="clinc150",
        folder="intents/clinc150",
        train="train.csv",
        test="test.csv",
        valid="val.csv",
        others={
            FLOOR: {"in_scope_accuracy": 0.880, "auroc": 0.963, "best_mcc": 0.833},
            "BERT, Larson 2019": {"in_scope_accuracy": 0.969, "oos_recall": 0.403},
            "BERT, Larson 2019, refusing more": {"in_scope_accuracy": 0.967, "oos_recall": 0.592},
        },
    ),
)
RETRIEVAL = tuple(
    DataSet(
        name=f"feedbackqa-{domain}",
        folder=f"retrieval/feedbackqa-{domain}",
        test="test",
        valid="valid",
        others={
            FLOOR: {"p_at_1": floor[0], "hit_at_20": floor[1]},
            "floor: BM25": {"p_at_1": bm25},
            FUSION: {"p_at_1": fused[0], "hit_at_20": fused[1]},
        },
    )
    for domain, floor, bm25, fused in (
        ("cdc", (0.545, 0.930), 0.451, (0.622, 0.970)),
        ("uk", (0.400, 0.827), 0.391, (0.497, 0.920)),
        ("who", (0.617, 0.978), 0.617, (0.831, 0.995)),
    )
)
RETRIEVAL_PUBLISHED = (
    "Published for feedbackqa, trained on it, mean of four domains (arXiv 2204.03025): P@1 .648 (BERT), .680 (with a "
    "reranker trained on feedback)."
)
