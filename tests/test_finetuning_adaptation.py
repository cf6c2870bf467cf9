"""Frozen parts and LoRA adapters, for published models and line models."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from line_models import tiny_line_model
from reference_models import images, pair, tokens

from trocr.errors import UsageError
from trocr.model import VisionEncoderDecoderModel
from trocr.training.finetuning.adaptation import PARTS, add_lora, freeze, merge_lora
from trocr.training.finetuning.vocabulary import with_vocabulary

KINDS = ["vit", "deit-small", "line"]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> VisionEncoderDecoderModel:
    if request.param == "line":
        return tiny_line_model()
    return copy.deepcopy(pair(request.param).ours)


def outputs(model: VisionEncoderDecoderModel) -> tuple[torch.Tensor, ...]:
    if hasattr(model.encoder, "ctc_head"):
        pixels = torch.rand(3, 1, 32, 64, generator=torch.Generator().manual_seed(3))
    else:
        pixels = images()
    output = model(pixels, decoder_input_ids=tokens(vocab_size=20))
    return tuple(x for x in (output.logits, output.ctc_logits) if x is not None)


def train(model: VisionEncoderDecoderModel, steps: int = 3) -> None:
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-2)
    for _ in range(steps):
        loss = sum(x.square().mean() for x in outputs(model))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def state_of(model: VisionEncoderDecoderModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(model: VisionEncoderDecoderModel, before: dict[str, torch.Tensor]) -> set[str]:
    now = model.state_dict()
    return {name for name in now if not torch.equal(now[name], before[name])}


# --- frozen parts ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_stays_and_the_rest_learns(part: str, model) -> None:
    freeze(model, [part])
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert frozen or (part == "heads" and tied)
    before = state_of(model)
    train(model)
    learned = changed(model, before)
    assert not learned & frozen
    assert len(learned) > len(before) / 4


def test_a_frozen_stem_keeps_its_statistics() -> None:
    model = tiny_line_model()
    freeze(model, ["stem"])
    before = state_of(model)
    train(model)
    assert not [name for name in changed(model, before) if name.startswith("encoder.stem")]
    model = tiny_line_model()
    before = state_of(model)
    train(model)
    assert "encoder.stem.0.norm.running_mean" in changed(model, before)


def test_a_frozen_encoder_leaves_what_depends_on_the_vocabulary() -> None:
    model = tiny_line_model()
    freeze(model, ["encoder", "decoder"])
    left = {name for name, p in model.named_parameters() if p.requires_grad}
    assert left == {
        "encoder.ctc_head.weight",
        "encoder.ctc_head.bias",
        "decoder.model.decoder.embed_tokens.weight",
        "decoder.output_projection.weight",
    }


def test_the_first_layers_freeze_with_the_stem(model: VisionEncoderDecoderModel) -> None:
    freeze(model, [], first_layers=1)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {"encoder.layers.0.fc1.weight", "encoder.layers.0.attention.q_proj.weight"} < frozen
    assert any(name.startswith(("encoder.stem.", "encoder.patch_embeddings.")) for name in frozen)
    assert not any(name.startswith(("encoder.layers.1.", "decoder.")) for name in frozen)


def test_what_cannot_be_frozen_is_said(model: VisionEncoderDecoderModel) -> None:
    with pytest.raises(UsageError, match=r"'encode'.*stem, encoder, decoder"):
        freeze(model, ["encode"])
    with pytest.raises(UsageError, match="2 layers, not 3"):
        freeze(model, [], first_layers=3)
    with pytest.raises(UsageError, match="Every part"):
        freeze(model, ["encoder", "decoder", "embeddings", "heads"])


# --- adapters ----------------------------------------------------------------------------------


def test_adapters_change_nothing_until_they_learn(model: VisionEncoderDecoderModel) -> None:
    before, all_of_it = outputs(model), model.num_parameters()
    add_lora(model, rank=2, alpha=4)
    torch.testing.assert_close(outputs(model), before, rtol=0, atol=0)
    adapters = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all(".lora_" in name for name in adapters)
    # Per layer, self-attention and feed-forward; the decoder's cross-attention besides.
    assert len(adapters) == 2 * (2 * 6 + 2 * 10)
    assert model.num_parameters(only_trainable=True) == model.num_parameters() - all_of_it


def test_a_merged_model_is_plain_and_computes_the_same(model: VisionEncoderDecoderModel) -> None:
    names, before, plain = list(model.state_dict()), state_of(model), outputs(model)
    add_lora(model, rank=2, alpha=4)
    train(model)
    adapted = outputs(model)
    assert (adapted[0] - plain[0]).abs().max() > 1e-3
    assert merge_lora(model) is model
    assert list(model.state_dict()) == names
    torch.testing.assert_close(outputs(model), adapted, rtol=0, atol=1e-5)
    learned = changed(model, before)
    assert {name.split(".")[-2] for name in learned} == {
        *("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    }
    assert all(name.endswith(".weight") for name in learned)


def test_chosen_parts_learn_beside_the_adapters() -> None:
    model = tiny_line_model()
    add_lora(model, rank=1, alpha=1, also=("embeddings", "heads"))
    before = state_of(model)
    train(model)
    others = {name for name in changed(model, before) if ".lora_" not in name}
    assert others == {
        "encoder.ctc_head.weight",
        "encoder.ctc_head.bias",
        "decoder.model.decoder.embed_tokens.weight",
        "decoder.output_projection.weight",
    }


def test_averages_of_adapters_merge_into_a_folder(model, tmp_path: Path) -> None:
    """As the training loop keeps them: a deep copy that follows the state."""
    add_lora(model, rank=2, alpha=4)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    train(model)
    for averaged, current in zip(
        average.state_dict().values(), model.state_dict().values(), strict=True
    ):
        averaged.lerp_(current, 0.5) if averaged.is_floating_point() else averaged.copy_(current)
    expected = outputs(average)
    merge_lora(copy.deepcopy(average)).save_pretrained(tmp_path)
    again = VisionEncoderDecoderModel.from_pretrained(tmp_path)
    torch.testing.assert_close(outputs(again), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(outputs(average), expected, rtol=0, atol=0)


def test_adapters_go_with_a_new_vocabulary() -> None:
    from line_models import CHARACTERS

    from trocr.tokenizer import Tokenizer

    model, _ = with_vocabulary(
        tiny_line_model(), Tokenizer.from_characters(CHARACTERS), ["ĉ"], "extend"
    )
    add_lora(model, rank=1, alpha=1, also=("heads",))
    train(model)
    expected = outputs(model)
    torch.testing.assert_close(outputs(merge_lora(model)), expected, rtol=0, atol=1e-5)


def test_adapters_that_cannot_be_are_refused(model: VisionEncoderDecoderModel) -> None:
    with pytest.raises(UsageError, match="rank of 0"):
        add_lora(model, rank=0, alpha=1)
    with pytest.raises(UsageError, match="'all'"):
        add_lora(model, rank=1, alpha=1, also=("all",))
    assert model.num_parameters(only_trainable=True) == model.num_parameters()
    add_lora(model, rank=1, alpha=1)
    with pytest.raises(UsageError, match="adapters already"):
        add_lora(model, rank=1, alpha=1)
