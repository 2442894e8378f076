"""Every option of a training runs on a small problem, and brings down the loss that it is about."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes_training import (
    DATA,
    GROUPS,
    NO_DROPOUT,
    QUESTIONS,
    contrastive_task,
    gradient,
    matching_task,
    nearest_is_right,
    on_cpu,
    same,
    tiny_encoder,
    tiny_matcher,
    train,
    weights,
)
from tiny_model import PAD, tiny_tokenizer
from tokenizers import Tokenizer

from kb.errors import TrainingError
from models.training.adapt import adapted
from models.training.config import Adaptation, AdaptConfig, WarmUpConfig
from models.training.matcher import Group
from models.training.processes import Share
from models.training.warm_up import WarmUpTask

# A matcher can tell them apart by their first letters.
EASY = [
    Group(
        question=f"{topic} {number}",
        candidates=["good", *(f"bad {other}" for other in range(1 + number % 3))],
        labels=[1.0, *[0.0] * (1 + number % 3)],
        topics=[place] * (2 + number % 3),
        teacher=[2.0, *[-2.0] * (1 + number % 3)],
    )
    for place, topic in enumerate(("parcel", "refund", "tent"))
    for number in range(4)
]


def loss_of(task, batches=4):
    """The mean loss of the first batches, without dropout."""
    task.module.eval()
    task.prepare(0)
    found = [task.backward(step, on_cpu(), Share()) for step in range(batches)]
    task.module.zero_grad()
    return float(np.mean(found))


def falls(task, by=0.8, **config):
    """Train a task, and return whether its loss fell to a share of what it was."""
    before = loss_of(task)
    train(task, **{"steps": 25, "learning_rate": 3e-3} | config)
    return loss_of(task) < by * before


def matcher_task(module=None, **config):
    plain = [replace(each, topics=(), teacher=()) for each in EASY]
    return matching_task(module, plain, **config)


@pytest.mark.parametrize(
    "config",
    [
        {"loss": "bce"},
        {"loss": "bce", "smoothing": 0.1},
        {"loss": "mse"},
        {"loss": "listwise"},
        {"loss": "listwise", "smoothing": 0.1},
        {"loss": "margin"},
        {"r_drop": 0.5},
        {"loss": "bce", "r_drop": 0.5},
    ],
    ids=str,
)
def test_each_loss_of_the_matcher_falls(config):
    assert falls(matcher_task(**config))


def right_share(task):
    """Share of the groups whose first candidate, the right one, is found best."""
    return float(
        np.mean([task.judge([(each.question, text) for text in each.candidates]).argmax() == 0 for each in EASY])
    )


def test_the_matcher_learns_what_is_right():
    task = matcher_task()
    before = right_share(task)
    train(task, steps=25, learning_rate=3e-3)
    assert before < 1.0
    assert right_share(task) == 1.0


def test_graded_labels_are_learnt_by_squared_error():
    graded = [replace(group, labels=[0.75] + [0.25] * (len(group.labels) - 1)) for group in EASY]
    task = matching_task(given_groups=graded, loss="mse")
    assert falls(task, by=0.5, steps=60)
    logits = task.judge([("parcel 1", "good"), ("parcel 1", "bad 0")])
    assert logits[0] > 0 > logits[1]


def test_a_teacher_is_distilled():
    assert falls(matching_task(given_groups=EASY, distil_weight=1.0, distil_temperature=2.0))


def test_groups_without_a_teacher_learn_from_their_labels_beside_others_that_have_one():
    def loss(groups, **config):
        task = matching_task(tiny_matcher(**NO_DROPOUT), groups, groups=len(groups), **config)
        return gradient(task, on_cpu())[0]

    taught = [replace(group, teacher=group.labels) for group in GROUPS[1::2]]
    mixed = [each for pair in zip(GROUPS[0::2], taught, strict=True) for each in pair]
    expected = (loss(GROUPS[0::2]) + loss(taught, distil_weight=0.5)) / 2
    assert loss(mixed, distil_weight=0.5) == pytest.approx(expected, rel=1e-5)


def test_topics_are_learnt_beside_the_relevance():
    task = matching_task(tiny_matcher(num_labels=4), EASY, topic_weight=1.0, groups=6)
    assert falls(task, by=0.6, steps=40)
    assert right_share(task) == 1.0


def test_without_a_topic_a_candidate_teaches_none():
    alone = gradient(matching_task(tiny_matcher(num_labels=4)), on_cpu())
    weighted = gradient(matching_task(tiny_matcher(num_labels=4), topic_weight=1.0), on_cpu())
    assert weighted[0] == pytest.approx(alone[0])


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 0.05},
        {"smoothing": 0.1},
        {"phrasings": 2, "answers": 0},
        {"near_share": 0.5, "refresh_every": 5},
        {"negatives": 2, "refresh_every": 5},
        {"is_cached": True},
    ],
    ids=str,
)
def test_each_way_of_contrast_brings_the_loss_down(config):
    assert falls(contrastive_task(**config))


@pytest.mark.parametrize(
    "config",
    [
        {"attack": "fgm"},
        {"attack": "pgd"},
        {"average": 0.8},
        {"precision": "bf16"},
        {"layer_decay": 0.8},
        {"decay": "cosine"},
        {"decay": "none", "clip": 0.0},
        {"tokens_per_pass": 100},
    ],
    ids=str,
)
def test_each_way_of_training_brings_the_loss_down(config):
    task = contrastive_task(validate=nearest_is_right)
    before = task.validate()
    assert falls(task, **config)
    assert task.validate() > before


def trained(method: Adaptation, **config):
    """An encoder before and after it was trained by a method, with its vectors as they were in training."""
    # Without dropout: on so small a problem its noise is larger than what a few added parameters learn.
    module = tiny_encoder(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    before = weights(module)
    module.body, plain = adapted(module.body, AdaptConfig(method=method, dropout=0.0, **config))
    task = contrastive_task(module)
    assert falls(task, steps=40, learning_rate=2e-2 if method == "ia3" else 5e-3)
    vectors = task.encode(QUESTIONS)
    module.body = plain(module.body)
    return before, module, vectors


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_what_is_added_is_trained_alone_and_merged_into_a_plain_model(method):
    before, module, vectors = trained(method, rank=8)
    assert type(module.body) is type(tiny_encoder().body)
    assert weights(module).keys() == before.keys()
    assert np.allclose(contrastive_task(module).encode(QUESTIONS), vectors, atol=1e-5)
    moved = {name for name, each in weights(module).items() if not torch.equal(each, before[name])}
    assert moved
    assert not any("embeddings" in name for name in moved)


def test_frozen_layers_and_embeddings_stay_as_they_were():
    before, module, _ = trained("frozen", frozen_layers=1)
    moved = {name for name, each in weights(module).items() if not torch.equal(each, before[name])}
    assert any(".layer.1." in name for name in moved)
    assert not any("embeddings" in name or ".layer.0." in name for name in moved)


@pytest.mark.parametrize("method", ["lora", "ia3", "frozen"])
def test_the_head_of_a_matcher_is_trained_whatever_else_is(method):
    module = tiny_matcher()
    before = weights(module)
    wrapped, plain = adapted(module, AdaptConfig(method=method, frozen_layers=2))
    assert falls(matcher_task(wrapped), learning_rate=1e-2)
    after = plain(wrapped)
    assert not torch.equal(after.classifier.weight, before["classifier.weight"])
    assert weights(after).keys() == before.keys()


def test_what_is_added_is_drawn_by_its_seed():
    def drawn(seed):
        torch.rand(3)
        return weights(adapted(tiny_encoder().body, AdaptConfig(method="lora"), seed=seed)[0])

    assert same(drawn(1), drawn(1))
    assert not same(drawn(1), drawn(2))


def test_a_model_of_other_layers_is_refused_by_what_adds_to_them():
    with pytest.raises(TrainingError, match=r"BERT-like model for lora.*method full"):
        adapted(torch.nn.Sequential(torch.nn.Linear(2, 2)), AdaptConfig(method="lora"))


def test_checkpointed_activations_give_the_same_gradient_with_dropout_too():
    loss, expected = gradient(contrastive_task(), on_cpu())
    module = tiny_encoder()
    adapted(module.body, AdaptConfig(checkpoint_activations=True))
    again, found = gradient(contrastive_task(module), on_cpu())
    assert again == pytest.approx(loss)
    assert torch.allclose(found, expected, atol=1e-6 * float(expected.abs().max()))


def warm_up(body=None, seed=0, **config):
    given = {"texts": 12, "max_length": 24}
    body, settings = body or tiny_encoder().body, WarmUpConfig(**given | config)
    return WarmUpTask(body, tiny_tokenizer(), DATA.questions, settings, pad_id=PAD, seed=seed)


def test_a_warm_up_learns_to_name_hidden_tokens_and_changes_the_body():
    body = tiny_encoder().body
    before = weights(body)
    assert falls(warm_up(body), by=0.9, steps=60)
    assert weights(body).keys() == before.keys()
    assert not same(weights(body), before)


def test_a_warm_up_begins_with_the_same_head_whatever_was_drawn_before():
    first = weights(warm_up().module)
    torch.rand(5)
    assert same(weights(warm_up().module), first)
    assert not same(weights(warm_up(seed=1).module), first)


def test_a_warm_up_hides_its_share_of_each_text_and_no_special_token():
    task, rng = warm_up(hidden=0.25), np.random.default_rng(0)
    ids = tiny_tokenizer().encode("where is my parcel").ids
    special = set(tiny_tokenizer().encode("").ids)
    for _ in range(50):
        changed, places, right = task._hide(ids, rng)
        assert len(places) == round(0.25 * (len(ids) - 2))
        assert [ids[at] for at in places] == right
        assert not special & set(right)
        assert all(changed[at] == ids[at] for at in range(len(ids)) if at not in places)


def test_a_model_that_can_hide_no_token_is_not_warmed_up():
    tokenizer = tiny_tokenizer()
    about = json.loads(tokenizer.to_str())
    del about["model"]["vocab"]["[MASK]"]
    with pytest.raises(TrainingError, match=r"token that hides others.*without warm-up"):
        WarmUpTask(tiny_encoder().body, Tokenizer.from_str(json.dumps(about)), ["a"], WarmUpConfig(), pad_id=PAD)
