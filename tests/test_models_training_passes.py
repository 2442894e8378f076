import numpy as np
import pytest
import torch
from fakes_training import (
    CPU,
    NO_DROPOUT,
    contrastive_task,
    gradient,
    matching_task,
    on_cpu,
    tiny_encoder,
    tiny_matcher,
)
from tiny_model import PAD, tiny_config
from transformers import RobertaConfig

from kb.errors import TrainingError
from models.training.passes import Tokens, hardware, is_out_of_memory, longest, padded, passes

TASKS = {
    "encoder": lambda **config: contrastive_task(tiny_encoder(**NO_DROPOUT), **config),
    "matcher": lambda **config: matching_task(tiny_matcher(**NO_DROPOUT), **config),
}


@pytest.mark.parametrize("tokens", [1, 70, 300])
@pytest.mark.parametrize("is_frugal", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_a_batch_in_passes_by_length_has_the_gradient_of_one_padded_batch(name, is_frugal, tokens):
    loss, expected = gradient(TASKS[name](), on_cpu(10**6))
    again, found = gradient(TASKS[name](), on_cpu(tokens, is_frugal=is_frugal))
    assert again == pytest.approx(loss, rel=1e-5)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("config", [{"r_drop": 1.0}, {"loss": "bce", "smoothing": 0.1}])
def test_two_rounds_give_the_matcher_the_gradient_of_one_with_dropout_too(config):
    loss, expected = gradient(matching_task(**config), on_cpu(200))
    again, found = gradient(matching_task(**config), on_cpu(200, is_frugal=True))
    assert again == pytest.approx(loss)
    assert torch.allclose(found, expected, atol=1e-6 * float(expected.abs().max()))


def test_a_cached_batch_gives_the_encoder_the_same_gradient_with_dropout_too():
    loss, expected = gradient(contrastive_task(), on_cpu(100))
    again, found = gradient(contrastive_task(is_cached=True), on_cpu(100))
    assert again == pytest.approx(loss)
    assert torch.allclose(found, expected, atol=1e-6 * float(expected.abs().max()))
    _, other = gradient(contrastive_task(), on_cpu(100), seed=6)
    assert not torch.allclose(other, expected, atol=1e-3 * float(expected.abs().max()))


def test_two_rounds_keep_the_activations_of_one_pass_at_a_time():
    task, where = matching_task(groups=8), on_cpu(80, is_frugal=True)
    assert _kept_at_most(task, where) < 0.5 * _kept_at_most(task, on_cpu(80))


def _kept_at_most(task, where):
    """The most numbers that are kept for a backward pass at any time of a batch."""
    kept = {"now": 0, "most": 0}

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            kept["now"] += tensor.numel()
            kept["most"] = max(kept["most"], kept["now"])

        def __del__(self):
            kept["now"] -= self.tensor.numel()

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda packed: packed.tensor):
        gradient(task, where)
    return kept["most"]


def test_sequences_go_longest_first_in_passes_within_the_budget_each_once():
    sequences = [Tokens(ids=[7] * size) for size in (3, 9, 5, 1, 8)]
    found = list(passes(sequences, PAD, on_cpu(16)))
    assert [list(each.positions) for each in found] == [[1], [4], [2], [0], [3]]
    assert [tuple(each.input_ids.shape) for each in found] == [(1, 9), (1, 8), (1, 5), (1, 3), (1, 1)]


def test_sequences_of_like_length_share_a_pass_and_much_shorter_ones_do_not():
    sequences = [Tokens(ids=[7] * size) for size in (10, 3, 9, 3, 8)]
    found = list(passes(sequences, PAD, on_cpu(100)))
    assert [sorted(each.positions) for each in found] == [[0, 2, 4], [1, 3]]


def test_padding_is_masked_and_of_the_first_kind():
    found = padded([Tokens(ids=[5, 6, 7], kinds=[0, 1, 1]), Tokens(ids=[8])], 9, CPU, [0, 1])
    assert found.input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert found.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert found.token_type_ids.tolist() == [[0, 1, 1], [0, 0, 0]]


def test_whoever_limits_the_tokens_of_a_pass_wants_to_save_memory():
    assert hardware("fp32", 64).is_frugal
    assert hardware("fp32", 64).tokens == 64
    assert not hardware("fp32").is_frugal


def test_bfloat16_is_used_where_it_is_asked_for():
    with hardware("bf16").autocast():
        where = hardware("bf16").device
        product = torch.ones(2, 2, device=where) @ torch.ones(2, 2, device=where)
    assert product.dtype == torch.bfloat16
    assert not hardware("fp32").is_bf16


def test_no_more_tokens_are_read_than_the_model_has_positions():
    assert longest(tiny_config(), 160) == 40
    assert longest(tiny_config(), 24) == 24
    assert longest(RobertaConfig(max_position_embeddings=514, pad_token_id=1), 600) == 512


def test_texts_longer_than_the_model_are_cut_in_training():
    for task in (contrastive_task(max_length=500), matching_task(max_length=500)):
        loss, _ = gradient(task, on_cpu())
        assert np.isfinite(loss)


def test_an_allocation_that_no_machine_can_make_is_out_of_memory():
    for error in (_error_of(lambda: torch.empty(1 << 60)), MemoryError(), torch.OutOfMemoryError("CUDA")):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(_error_of(lambda: torch.ones(2, 3) @ torch.ones(2, 3)))


def _error_of(call):
    with pytest.raises(RuntimeError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize("is_frugal", [False, True])
def test_a_model_of_which_all_is_frozen_is_refused(is_frugal):
    module = tiny_encoder().requires_grad_(False)
    with pytest.raises(TrainingError, match="frozen_layers"):
        contrastive_task(module).backward(0, on_cpu(60, is_frugal=is_frugal), _alone())


def _alone():
    from models.training.processes import Share

    return Share()
