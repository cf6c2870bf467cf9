"""Layers that are computed again in the backward pass learn the same."""

from __future__ import annotations

import copy

import pytest
import torch
from line_models import tiny_line_model
from reference_models import images, pair, tokens

from trocr.model import VisionEncoderDecoderModel

KINDS = ["vit", "deit-small", "line"]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> VisionEncoderDecoderModel:
    """With dropout everywhere."""
    model = (
        tiny_line_model() if request.param == "line" else copy.deepcopy(pair(request.param).ours)
    )
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.2
    return model.train()


def loss_and_gradients(model: VisionEncoderDecoderModel) -> list[torch.Tensor]:
    """From the same weights, statistics and random numbers every time."""
    model = copy.deepcopy(model)
    torch.manual_seed(5)
    if hasattr(model.encoder, "ctc_head"):
        pixels = torch.rand(3, 1, 32, 64, generator=torch.Generator().manual_seed(3))
    else:
        pixels = images()
    output = model(pixels, labels=tokens(vocab_size=20))
    loss = output.loss if output.ctc_logits is None else output.loss + output.ctc_logits.std()
    loss.backward()
    state = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
    return [loss, *state, *(p.grad for p in model.parameters())]


def test_loss_and_gradients_are_equal(model: VisionEncoderDecoderModel) -> None:
    kept = loss_and_gradients(model)
    assert not torch.equal(kept[0], loss_and_gradients(model.eval())[0]), "there is no dropout"
    model.train().gradient_checkpointing_enable()
    torch.testing.assert_close(loss_and_gradients(model), kept, rtol=0, atol=0)


def test_every_layer_runs_twice(model: VisionEncoderDecoderModel) -> None:
    def runs(model: VisionEncoderDecoderModel) -> list[int]:
        counts = [0, 0]
        for index, name in enumerate(("encoder.layers", "decoder.model.decoder.layers")):

            def count(*_: object, index: int = index) -> None:
                counts[index] += 1

            for layer in model.get_submodule(name):
                layer.register_forward_pre_hook(count)
        loss_and_gradients(model)
        return counts

    assert runs(copy.deepcopy(model)) == [2, 2]
    model.gradient_checkpointing_enable({"use_reentrant": True, "determinism_check": "none"})
    assert runs(copy.deepcopy(model)) == [4, 4]
    assert runs(copy.deepcopy(model).eval()) == [2, 2]


def test_it_is_switched_as_in_the_reference(model: VisionEncoderDecoderModel) -> None:
    assert model.supports_gradient_checkpointing
    assert not model.is_gradient_checkpointing
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert model.is_gradient_checkpointing
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing
