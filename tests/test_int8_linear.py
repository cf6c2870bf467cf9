"""Linear layers of 8-bit integers, with the kernel of the CPU and without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trocr.engine import int8
from trocr.engine.int8 import Int8Linear
from trocr.int8_weights import rows_to_int8

SHAPES = ((1, 1), (3, 5), (100, 256), (257, 1000), (1024, 64))  # outputs, inputs


@pytest.fixture(params=["kernel", "expanded"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "expanded":
        monkeypatch.setattr(int8, "multiplies_int8", lambda: False)
    elif not int8.multiplies_int8():
        pytest.skip("this CPU multiplies no 8-bit integers")
    return str(request.param)


def random_linear(outputs: int, inputs: int, *, bias: bool) -> nn.Linear:
    torch.manual_seed(outputs + inputs)
    linear = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():  # rows of very different size, each needs a scale of its own
        linear.weight.mul_(torch.logspace(-2, 2, outputs)[:, None])
    return linear


def error_bound(linear: nn.Linear, x: Tensor, dtype: torch.dtype) -> Tensor:
    """What rounding can do at most: half a step of each weight, and of each activation."""
    weights, rows = linear.weight.abs(), x.abs()
    half_step = 0.5 / 126 + torch.finfo(dtype).eps
    by_weights = rows.sum(-1, keepdim=True) * (weights.amax(1) * half_step)
    by_rows = rows.amax(-1, keepdim=True) * half_step * weights.sum(1)
    exact = F.linear(rows, weights, None if linear.bias is None else linear.bias.abs())
    return 1.05 * (by_weights + by_rows) + 2 * torch.finfo(dtype).eps * exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
@torch.inference_mode()
def test_the_error_is_that_of_rounding(
    outputs: int, inputs: int, bias: bool, dtype: torch.dtype, kernel: str
) -> None:
    linear = random_linear(outputs, inputs, bias=bias)
    rounded = Int8Linear.of(linear)
    for shape in ((inputs,), (1, inputs), (2, 3, inputs), (40, inputs)):
        x = torch.randn(shape).to(dtype)
        y = rounded(x)
        expected = linear(x.float())
        assert y.dtype == dtype
        assert y.shape == expected.shape
        assert ((y.float() - expected).abs() <= error_bound(linear, x.float(), dtype)).all()


@torch.inference_mode()
def test_what_8_bits_hold_is_exact(kernel: str) -> None:
    weight = torch.randint(-127, 128, (20, 48)).float()
    weight[:, 0] = 127
    linear = nn.Linear(48, 20)
    linear.weight.copy_(weight)
    linear.bias.zero_()
    x = torch.zeros(3, 48)
    x[0, 5], x[1, 7] = 2.0, -1.5
    assert torch.allclose(Int8Linear.of(linear)(x), linear(x), rtol=1e-2, atol=0)
    assert not Int8Linear.of(linear)(x)[2].any()


@torch.inference_mode()
def test_a_row_does_not_depend_on_the_others(kernel: str) -> None:
    rounded = Int8Linear.of(random_linear(64, 96, bias=True))
    x = torch.randn(5, 96) * torch.logspace(-3, 3, 5)[:, None]
    alone = torch.cat([rounded(row[None]) for row in x])
    assert ((rounded(x) - alone).abs() <= 1e-5 * alone.abs().amax(1, keepdim=True)).all()


@torch.inference_mode()
def test_non_contiguous_and_empty_inputs(kernel: str) -> None:
    rounded = Int8Linear.of(random_linear(8, 16, bias=True))
    x = torch.randn(16, 4)
    assert torch.equal(rounded(x.t()), rounded(x.t().contiguous()))
    assert rounded(torch.zeros(0, 16)).shape == (0, 8)


def test_the_source_stays_as_it_is() -> None:
    linear = random_linear(6, 4, bias=True)
    before = linear.weight.detach().clone()
    rounded = Int8Linear.of(linear)
    rounded.to(torch.bfloat16)
    assert torch.equal(linear.weight, before)
    assert linear.bias.dtype == torch.float32
    assert rounded(torch.ones(1, 4)).dtype == torch.float32
    assert not any(p.requires_grad for p in rounded.parameters())


def test_rows_of_zeros() -> None:
    weight, scale = rows_to_int8(torch.zeros(2, 3))
    assert not weight.any()
    assert torch.isfinite(scale).all()
