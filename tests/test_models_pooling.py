import pytest
import torch

from models.pooling import SentenceModule, pool

TOKENS = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [90.0, 90.0]], [[2.0, 0.0], [-90.0, 90.0], [90.0, -90.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", [[1.0, -4.0], [2.0, 0.0]]),
        ("mean", [[2.0, -3.0], [2.0, 0.0]]),
        ("max", [[3.0, -2.0], [2.0, 0.0]]),
    ],
)
def test_each_pooling_leaves_out_what_is_padding(pooling, expected):
    assert pool(TOKENS, MASK, pooling).tolist() == expected


def test_the_module_gives_unit_vectors():
    class Body(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return type("Output", (), {"last_hidden_state": TOKENS})()

    vectors = SentenceModule(Body(), "mean")(torch.zeros(2, 3), MASK)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2))
    assert torch.allclose(vectors[1], torch.tensor([1.0, 0.0]))
