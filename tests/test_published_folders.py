"""Folders laid out as microsoft/trocr-* are: every file by hand, random tiny weights."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image, ImageDraw
from reference_models import STAGE1, Variant, randomise, reference_config
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel

from trocr.line_result import LineResult
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import load

POSITIONS = 30
ROLES = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>"}
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
MERGES = ["t h", "th e", "Ġ the", "i n", "in g", "1 2"]
# What old versions of the library wrote into every decoder's configuration.
LEGACY = {
    "add_cross_attention": True,
    "bad_words_ids": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "early_stopping": False,
    "forced_eos_token_id": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "is_decoder": True,
    "length_penalty": 1.0,
    "max_length": 20,
    "num_beam_groups": 1,
    "num_beams": 1,
    "top_k": 50,
    "torch_dtype": None,
    "use_bfloat16": False,
    "use_cache": False,
}
GENERATION = {
    "_from_model_config": True,
    "bos_token_id": 0,
    "decoder_start_token_id": 2,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "transformers_version": "4.26.0.dev0",
    "use_cache": False,
}


def write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")


def write_tokenizer(folder: Path) -> int:
    """The RoBERTa files as of 2021; returns the size of the vocabulary."""
    merged = [pair.replace(" ", "") for pair in MERGES]
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), *merged, "<mask>"]
    write(folder / "vocab.json", {word: index for index, word in enumerate(words)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]), encoding="utf-8")
    special = {f"{role}_token": {"content": text, **FLAGS} for role, text in ROLES.items()}
    special["mask_token"] = {"content": "<mask>", **FLAGS, "lstrip": True}
    write(folder / "special_tokens_map.json", special)
    typed = {role: {**token, "__type": "AddedToken"} for role, token in special.items()}
    rest = {"add_prefix_space": False, "errors": "replace", "special_tokens_map_file": None}
    write(
        folder / "tokenizer_config.json", {**typed, **rest, "tokenizer_class": "RobertaTokenizer"}
    )
    return len(words)


def write_folder(folder: Path, stage1: bool, pickled: bool) -> Any:
    """Write every file; returns the reference model."""
    size = write_tokenizer(folder)
    sizes = {"vocab_size": size, "max_position_embeddings": POSITIONS, "d_model": 24}
    decoder = {**sizes, "cross_attention_hidden_size": 32, **(STAGE1 if stage1 else {})}
    config = reference_config(Variant(encoder={"qkv_bias": False}, decoder=decoder))
    model = randomise(transformers.VisionEncoderDecoderModel(config)).eval()
    model.save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    for name in ("decoder_start_token_id", "pad_token_id", "eos_token_id"):
        del values[name]
    values |= {"torch_dtype": "float32", "transformers_version": None, "tie_word_embeddings": False}
    values["decoder"] |= LEGACY
    write(folder / "config.json", {**values, "processor_class": "TrOCRProcessor"})
    write(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "ViTFeatureExtractor",
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
            "size": 16,
        },
    )
    write(folder / "generation_config.json", GENERATION)
    rewrite_weights(folder, model, stage1, pickled)
    return model


def rewrite_weights(folder: Path, model: Any, stage1: bool, pickled: bool) -> None:
    """Published names, with what the real files hold besides: pooler, tied head, float tensor."""
    path = folder / "model.safetensors"
    tensors = VisionEncoderDecoderModel.from_pretrained(folder).published_tensors()
    tensors["encoder.pooler.dense.weight"] = torch.zeros(32, 32)
    tensors["encoder.pooler.dense.bias"] = torch.zeros(32)
    if stage1:
        tensors["decoder.model.decoder.embed_positions._float_tensor"] = torch.zeros(1)
    else:
        embeddings = tensors["decoder.model.decoder.embed_tokens.weight"]
        tensors["decoder.output_projection.weight"] = embeddings.clone()
    path.unlink()
    if pickled:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, path)


def pictures() -> list[Image.Image]:
    found = []
    for index in range(5):
        image = Image.new("RGB", (90 + 30 * index, 24), "white")
        ImageDraw.Draw(image).text((4, 6), f"the line {7**index}", fill="black")
        found.append(image)
    return found


@pytest.fixture(scope="module", params=["base", "base-bin", "stage1"])
def published(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    return folder, write_folder(folder, "stage1" in request.param, "bin" in request.param)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_the_same_texts_without_a_warning(published: tuple[Path, Any], num_beams: int) -> None:
    folder, reference = published
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        processor = TrOCRProcessor.from_pretrained(folder)
        model = VisionEncoderDecoderModel.from_pretrained(folder)
        pixels = processor(pictures(), return_tensors="pt").pixel_values
        ours = model.generate(pixels, num_beams=num_beams)
    theirs = transformers.TrOCRProcessor.from_pretrained(folder)
    their_pixels = theirs(pictures(), return_tensors="pt").pixel_values
    assert torch.equal(pixels, their_pixels)
    # The model in memory: from a file, the reference cannot run sinusoidal positions.
    expected = reference.generate(their_pixels, num_beams=num_beams, max_length=POSITIONS)
    assert ours.tolist() == expected.tolist()
    texts = processor.batch_decode(ours, skip_special_tokens=True)
    assert texts == theirs.batch_decode(expected, skip_special_tokens=True)
    labels = processor.tokenizer("the line 12", return_tensors="pt").input_ids
    assert (
        labels.tolist() == theirs.tokenizer("the line 12", return_tensors="pt").input_ids.tolist()
    )


def said(results: list[LineResult]) -> list[Any]:
    return [(r.text, r.token_ids, r.finish_reason) for r in results]


def test_the_recognizer_reads_lines(published: tuple[Path, Any]) -> None:
    reader = load(published[0], device="cpu")
    longest = 0

    def watch(module: Any, arguments: Any, options: dict[str, Any]) -> None:
        nonlocal longest
        longest = max(longest, options["input_ids"].shape[1])

    reader.model.decoder.register_forward_pre_hook(watch, with_kwargs=True)
    results = reader.read_lines(pictures(), batch_size=2)
    assert longest == 1, "the cache is used, whatever the folder says about training"
    assert said(results) == said(reader.read_lines(pictures()[::-1], batch_size=5)[::-1])
    reader.model.generation_config.num_beams = 3
    again = reader.read_lines(pictures(), num_beams=1)
    assert said(again) == said(results), "what is asked for counts, not the folder"
    assert said(reader.read_lines(pictures())) == said(reader.read_lines(pictures(), num_beams=3))
    for result in results:
        assert 0 < result.confidence < 1
        assert result.finish_reason == ("length" if len(result.token_ids) == 29 else "eos")
    assert {len(r.n_best) for r in reader.read_lines(pictures()[:2], n_best=3)} == {3}
    for num_beams in (1, 3):
        options = {"num_beams": num_beams}
        dates = reader.read_lines(pictures(), regex=r"\d{2}/\d{2}", **options)
        assert all(r.text[2] == "/" and r.finish_reason == "eos" for r in dates)
        digits = reader.read_lines(pictures(), allow="0-9./", **options)
        assert all(set(r.text) <= set("0123456789./") for r in digits)
        words = reader.read_lines(pictures(), lexicon=["the line", "12"], **options)
        assert {r.text for r in words} <= {"the line", "12"}
    noise = np.random.default_rng(0).integers(0, 255, (32, 90), dtype=np.uint8)
    for blank in reader.read_lines([Image.new("L", (90, 32), 255), Image.fromarray(noise)]):
        assert (blank.text, blank.finish_reason) == ("", "blank")
