"""8- and 4-bit layers of bitsandbytes: the published settings, and where the layers go."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from line_models import tiny_line_model
from torch import nn

from trocr import (
    BitsAndBytesConfig,
    TrOCRConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)
from trocr.errors import CheckpointError, UsageError

SETTINGS: list[dict[str, Any]] = [
    {},
    {"load_in_8bit": True},
    {"load_in_8bit": True, "llm_int8_threshold": 4.5, "llm_int8_skip_modules": ["a", "b.c"]},
    {"load_in_8bit": True, "llm_int8_has_fp16_weight": True},
    {"load_in_4bit": True},
    {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    {"load_in_4bit": True, "bnb_4bit_compute_dtype": "bfloat16"},
    {"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float16},
    {"load_in_4bit": True, "bnb_4bit_quant_storage": "float16"},
    {"load_in_4bit": True, "bnb_4bit_quant_storage": torch.bfloat16},
    {"load_in_4bit": True, "bnb_4bit_quant_type": "int3"},
    {"llm_int8_enable_fp32_cpu_offload": True, "of_a_later_version": 1},
]
WRONG: list[dict[str, Any]] = [
    {"load_in_8bit": True, "load_in_4bit": True},
    {"load_in_8bit": 1},
    {"load_in_4bit": "yes"},
    {"llm_int8_threshold": 6},
    {"llm_int8_skip_modules": "decoder"},
    {"llm_int8_enable_fp32_cpu_offload": None},
    {"llm_int8_has_fp16_weight": 0},
    {"bnb_4bit_compute_dtype": 16},
    {"bnb_4bit_quant_storage": "int4"},
    {"bnb_4bit_quant_storage": 8},
    {"bnb_4bit_quant_type": 4},
    {"bnb_4bit_use_double_quant": "no"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_are_the_published_ones(settings: dict[str, Any], tmp_path: Path) -> None:
    ours, theirs = BitsAndBytesConfig(**settings), transformers.BitsAndBytesConfig(**settings)
    assert ours.to_dict() == theirs.to_dict()
    assert ours.to_diff_dict() == theirs.to_diff_dict()
    assert dict(ours) == dict(theirs)
    for everything in (True, False):
        assert ours.to_json_string(everything) == theirs.to_json_string(everything)
    assert ours.quantization_method() == theirs.quantization_method()
    assert ours.is_quantizable() == theirs.is_quantizable()
    assert repr(ours) == repr(theirs)
    ours.to_json_file(tmp_path / "ours.json")
    theirs.to_json_file(tmp_path / "theirs.json")
    assert (tmp_path / "ours.json").read_text() == (tmp_path / "theirs.json").read_text()
    assert BitsAndBytesConfig.from_dict(theirs.to_dict()).to_dict() == theirs.to_dict()


@pytest.mark.parametrize("settings", WRONG)
def test_wrong_settings_are_refused_as_there(settings: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)) as theirs:
        transformers.BitsAndBytesConfig(**settings)
    with pytest.raises(theirs.type) as ours:
        BitsAndBytesConfig(**settings)
    assert isinstance(ours.value, UsageError)


@pytest.mark.parametrize("kind", [BitsAndBytesConfig, transformers.BitsAndBytesConfig])
def test_settings_on_top_of_stored_ones(kind: Any) -> None:
    stored = {"load_in_4bit": True}
    config, unused = kind.from_dict(stored, True, llm_int8_threshold=1.0, device_map="auto")
    assert config.llm_int8_threshold == 1.0
    assert unused == {"device_map": "auto"}
    assert config.update(bnb_4bit_quant_type="nf4", nothing=1) == {"nothing": 1}
    with pytest.raises(ValueError, match="both True"):
        config.load_in_8bit = True
    with pytest.raises(TypeError):
        config.load_in_4bit = 1
    config.load_in_4bit = False
    config.load_in_8bit = True
    assert config.quantization_method() == "llm_int8"
    with pytest.raises(ValueError, match="both True"):
        config.load_in_4bit = True


def tiny_published_model() -> VisionEncoderDecoderModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = ViTConfig(**sizes, intermediate_size=128, image_size=32, patch_size=8)
    decoder = TrOCRConfig(
        vocab_size=50,
        d_model=64,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=128,
        cross_attention_hidden_size=64,
        init_std=0.05,
        max_position_embeddings=20,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=2, pad_token_id=1
    )
    return VisionEncoderDecoderModel(config).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    tiny_published_model().save_pretrained(folder)
    return folder


class FakeLinear(nn.Linear):
    """Takes what bitsandbytes' layers take, and computes as ever."""

    def __init__(self, inputs: int, outputs: int, bias: bool, **options: Any) -> None:
        super().__init__(inputs, outputs, bias)
        self.options = options


class Fake8(FakeLinear):
    pass


class Fake4(FakeLinear):
    pass


def fake_parameter(data: torch.Tensor, requires_grad: bool, **options: Any) -> nn.Parameter:
    return nn.Parameter(data.clone(), requires_grad)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("bitsandbytes")
    library.nn = SimpleNamespace(  # type: ignore[attr-defined]
        Linear8bitLt=Fake8,
        Linear4bit=Fake4,
        Int8Params=fake_parameter,
        Params4bit=fake_parameter,
    )
    monkeypatch.setitem(sys.modules, "bitsandbytes", library)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def linears(model: nn.Module) -> dict[str, str]:
    return {n: type(m).__name__ for n, m in model.named_modules() if isinstance(m, nn.Linear)}


@pytest.mark.parametrize(
    ("settings", "kind", "options"),
    [
        (
            {"load_in_8bit": True, "llm_int8_threshold": 5.0},
            "Fake8",
            {"has_fp16_weights": False, "threshold": 5.0},
        ),
        (
            {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            "Fake4",
            {
                "compute_dtype": torch.float32,
                "compress_statistics": False,
                "quant_type": "nf4",
                "quant_storage": torch.uint8,
            },
        ),
    ],
)
def test_all_linear_layers_but_the_output(
    settings: dict[str, Any], kind: str, options: dict[str, Any], folder: Path, fake: None
) -> None:
    plain = VisionEncoderDecoderModel.from_pretrained(folder)
    model = VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=settings)
    found = linears(model)
    assert found.pop("decoder.output_projection") == "Linear"
    assert set(found.values()) == {kind}
    assert len(found) == len(linears(plain)) - 1
    assert model.encoder.layers[0].fc1.options == options
    assert model.dtype == torch.float32
    pixels = torch.randn(1, 3, 32, 32)
    ours, theirs = (m.generate(pixels, max_new_tokens=5) for m in (model, plain))
    assert torch.equal(ours, theirs)
    with pytest.raises(UsageError, match="cannot be saved"):
        model.save_pretrained(folder / "copy")


def test_skipped_modules(folder: Path, fake: None) -> None:
    skipped = ["encoder", "fc1", "decoder.model.decoder.layers.0.self_attn"]
    config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    model = VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=config)
    eight = {name for name, kind in linears(model).items() if kind == "Fake8"}
    layer = "decoder.model.decoder.layers.0"
    cross = {f"{layer}.encoder_attn.{part}_proj" for part in ("q", "k", "v", "out")}
    assert eight == {*cross, f"{layer}.fc2", "decoder.output_projection"}


def test_skipped_modules_by_their_published_names(folder: Path, fake: None) -> None:
    skipped = ["encoder.encoder.layer.0.attention.attention.query", "encoder.encoder.layer.1"]
    config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    model = VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=config)
    plain = {name for name, kind in linears(model).items() if kind == "Linear"}
    assert plain == {"encoder.layers.0.attention.q_proj"}


def test_a_line_model_reads_with_them(tmp_path: Path, fake: None) -> None:
    plain = tiny_line_model()
    plain.save_pretrained(tmp_path)
    config = BitsAndBytesConfig(load_in_8bit=True)
    model = VisionEncoderDecoderModel.from_pretrained(tmp_path, quantization_config=config)
    assert type(model.encoder.projection) is nn.Linear
    assert isinstance(model.encoder.ctc_head, Fake8)
    pixels = torch.randn(1, 1, 32, 64)
    with torch.no_grad():
        ours, theirs = (m.encode(pixels).ctc_logits for m in (model, plain))
    assert torch.allclose(ours, theirs)


def test_settings_that_ask_for_nothing(folder: Path) -> None:
    config = BitsAndBytesConfig()
    model = VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=config)
    assert set(linears(model).values()) == {"Linear"}


def test_without_bitsandbytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    config = BitsAndBytesConfig(load_in_8bit=True)
    with pytest.raises(UsageError, match=r"trocr\[bitsandbytes\]"):
        VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=config)


def test_an_unknown_4_bit_type(folder: Path) -> None:
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="int3")
    with pytest.raises(UsageError, match="int3"):
        VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=config)


def test_weights_that_were_saved_quantised(tmp_path: Path) -> None:
    tiny_published_model().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    values["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True).to_dict()
    path.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="quantised already"):
        VisionEncoderDecoderModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("settings", [{"load_in_8bit": True}, {"load_in_4bit": True}])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_with_bitsandbytes(
    settings: dict[str, Any], device: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    plain = VisionEncoderDecoderModel.from_pretrained(folder)
    model = VisionEncoderDecoderModel.from_pretrained(folder, quantization_config=settings)
    assert model.device.type == device
    assert not model.encoder.layers[0].fc1.weight.is_floating_point()
    pixels, ids = torch.randn(2, 3, 32, 32), torch.tensor([[2, 5, 6], [2, 7, 8]])
    with torch.no_grad():
        exact = plain(pixel_values=pixels, decoder_input_ids=ids).logits
        found = model(pixel_values=pixels.to(device), decoder_input_ids=ids.to(device)).logits
    error = (found.float().cpu() - exact).norm() / exact.norm()
    assert error < (0.01 if "load_in_8bit" in settings else 0.1)
    model.generate(pixels.to(device), max_new_tokens=3)
