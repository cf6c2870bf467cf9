import pytest
import torch
from line_models import text_picture, tiny_line_model, tiny_processor

from trocr.line_image import LineImageProcessor, normalize_ink, stack_lines


@pytest.fixture(scope="module")
def model():
    return tiny_line_model()


def test_shapes(model):
    encoded = model.encoder(torch.rand(2, 1, 32, 80))
    assert encoded.last_hidden_state.shape == (2, 10, 16)
    assert encoded.attention_mask.shape == (2, 10)
    assert encoded.ctc_logits.shape == (2, 20, 28)


def test_a_line_reads_the_same_in_any_batch(model):
    processor = tiny_processor().image_processor
    pictures = [text_picture(text) for text in ("1", "ABC 123", "0123456789 ABCDEF")]
    together = model.encoder(**processor(pictures, return_tensors="pt"))
    for row, picture in enumerate(pictures):
        alone = model.encoder(**processor(picture, return_tensors="pt"))
        tokens = int(alone.attention_mask.sum())
        assert int(together.attention_mask[row].sum()) == tokens
        difference = together.last_hidden_state[row, :tokens] - alone.last_hidden_state[0, :tokens]
        assert difference.abs().max() < 1e-4
        own, shared = (
            logits[: 2 * tokens] for logits in (alone.ctc_logits[0], together.ctc_logits[row])
        )
        assert torch.allclose(shared, own, atol=1e-4)


def test_padding_would_show_without_the_mask(model):
    line = torch.rand(1, 1, 32, 40)
    padded = torch.nn.functional.pad(line, (0, 40))
    alone = model.encoder(line).last_hidden_state
    unmasked = model.encoder(padded).last_hidden_state[:, :5]
    assert (unmasked - alone).abs().max() > 1e-3


def test_gradients_reach_every_parameter(model):
    model = tiny_line_model().train()
    outputs = model(torch.rand(2, 1, 32, 64), labels=torch.tensor([[4, 5, 2], [6, 2, -100]]))
    (outputs.loss + outputs.ctc_logits.square().mean()).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_attentions_and_hidden_states(model):
    encoded = model.encoder(
        torch.rand(1, 1, 32, 48), output_attentions=True, output_hidden_states=True
    )
    assert len(encoded.hidden_states) == 3
    assert encoded.attentions[0].shape == (1, 2, 6, 6)
    assert torch.allclose(encoded.attentions[0].sum(-1), torch.ones(1, 2, 6))


def test_paper_is_zero_and_ink_is_one():
    dark_on_light = normalize_ink(text_picture("ABC"))
    assert abs(float(dark_on_light[0, 0])) < 0.05
    assert 0.95 < dark_on_light.max() < 1.1


def test_light_text_on_dark_paper_is_turned_over():
    from PIL import ImageOps

    picture = text_picture("ABC 123")
    plain, inverted = normalize_ink(picture), normalize_ink(ImageOps.invert(picture))
    assert abs(plain - inverted).max() < 0.02


def test_width_follows_the_aspect_ratio():
    batch = LineImageProcessor()([text_picture("1"), text_picture("0123456789")], "np")
    own = batch.pixel_mask.sum(1)
    assert own[1] > 4 * own[0]
    width = batch.pixel_values.shape[3]
    assert width == batch.pixel_mask.shape[1]
    assert width - 128 < own.max() <= width
    assert width % 128 == 0
    assert all(width % 8 == 0 for width in own)
    assert stack_lines([batch.pixel_values[0, 0]], 32).pixel_values.shape[3] % 32 == 0


def test_a_very_long_line_is_squeezed():
    from PIL import Image

    batch = LineImageProcessor(max_image_width=256)(Image.new("L", (9000, 20), 255), "pt")
    assert batch.pixel_values.shape == (1, 1, 32, 256)


def test_save_and_load(model, tmp_path):
    from trocr.model import VisionEncoderDecoderModel

    model.save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    again = VisionEncoderDecoderModel.from_pretrained(tmp_path)
    pixel_values = torch.rand(1, 1, 32, 64)
    first, second = (m.encoder(pixel_values).ctc_logits for m in (model, again))
    assert torch.equal(first, second)
