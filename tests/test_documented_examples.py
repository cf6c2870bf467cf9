"""The reference documentation's two TrOCR examples run here with only the import changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image
from reference_models import Variant, randomise, reference_config
from tokenizers.pre_tokenizers import ByteLevel

THEIRS = "from transformers import TrOCRProcessor, VisionEncoderDecoderModel"
OURS = """
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
"""

INFERENCE = """
processor = TrOCRProcessor.from_pretrained(folder)
model = VisionEncoderDecoderModel.from_pretrained(folder)

pixel_values = processor(image, return_tensors="pt").pixel_values
generated_ids = model.generate(pixel_values)

result = processor.batch_decode(generated_ids, skip_special_tokens=True)[0]
"""

TRAINING = """
processor = TrOCRProcessor.from_pretrained(folder)
model = VisionEncoderDecoderModel.from_pretrained(folder)

model.config.decoder_start_token_id = processor.tokenizer.eos_token_id
model.config.pad_token_id = processor.tokenizer.pad_token_id
model.config.vocab_size = model.config.decoder.vocab_size

pixel_values = processor(image, return_tensors="pt").pixel_values
text = "hello world"
labels = processor.tokenizer(text, return_tensors="pt").input_ids
outputs = model(pixel_values=pixel_values, labels=labels)
loss = outputs.loss
loss.backward()
result = round(loss.item(), 4)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that ``transformers`` wrote: model, image processor, RoBERTa tokenizer."""
    folder = tmp_path_factory.mktemp("published")
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.TrOCRProcessor(
        transformers.ViTImageProcessor(size={"height": 16, "width": 16}),
        transformers.RobertaTokenizer.from_pretrained(folder),
    ).save_pretrained(folder)
    # 21 positions: the reference stops there unasked, and here the table ends.
    sizes = {"vocab_size": len(words), "max_position_embeddings": 21}
    config = reference_config(Variant(decoder=sizes))
    randomise(transformers.VisionEncoderDecoderModel(config)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("example", [INFERENCE, TRAINING], ids=["inference", "training"])
def test_the_example_gives_the_same_here(example: str, folder: Path) -> None:
    noise = torch.randint(0, 255, (20, 90, 3), generator=torch.Generator().manual_seed(0))
    results = []
    for imports in (THEIRS, OURS):
        scope = {
            "folder": str(folder),
            "image": Image.fromarray(noise.byte().numpy()),
        }
        exec(imports + example, scope)
        results.append(scope["result"])
    assert results[0] == results[1]
    assert results[0]
