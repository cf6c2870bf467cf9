import torch
from line_models import tiny_line_model

from trocr.checkpoint import read_tensors, write_tensors
from trocr.int8_weights import from_int8, to_int8
from trocr.model import VisionEncoderDecoderModel


def test_a_row_is_off_by_at_most_half_a_step():
    matrix = torch.randn(7, 40) * torch.logspace(-6, 3, 7)[:, None]
    packed = to_int8({"weight": matrix})
    assert packed["weight"].dtype == torch.int8
    error = (from_int8(packed)["weight"] - matrix).abs().amax(1)
    assert (error <= matrix.abs().amax(1) / 127 * 0.5001).all()


def test_zero_rows_stay_zero():
    assert not from_int8(to_int8({"weight": torch.zeros(2, 3)}))["weight"].any()


def test_only_matrices_are_packed():
    tensors = {"bias": torch.randn(4), "conv": torch.randn(2, 2, 3, 3), "count": torch.tensor(3)}
    packed = to_int8(tensors)
    assert packed.keys() == tensors.keys()
    assert packed["bias"].dtype == packed["conv"].dtype == torch.float16
    assert packed["count"].dtype == torch.int64
    assert from_int8(packed).keys() == tensors.keys()


def test_a_packed_folder_loads_as_float32(tmp_path):
    model = tiny_line_model()
    model.save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").stat().st_size
    write_tensors(tmp_path, to_int8(read_tensors(tmp_path)))
    assert (tmp_path / "model.safetensors").stat().st_size < 0.6 * whole
    loaded = VisionEncoderDecoderModel.from_pretrained(tmp_path)
    for name, parameter in loaded.named_parameters():
        original = model.get_parameter(name)
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(
            parameter, original, atol=original.abs().max().item() / 200, rtol=2e-3
        )
