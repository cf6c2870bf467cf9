"""Pixels, labels and files against the reference's TrOCRProcessor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trocr.batch import BatchFeature
from trocr.errors import CheckpointError, ImageError, UsageError
from trocr.image_processor import (
    DeiTImageProcessor,
    ViTImageProcessor,
    image_processor_from_dict,
)
from trocr.line_image import LineImageProcessor
from trocr.processor import TrOCRProcessor
from trocr.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")
pil_vit = pytest.importorskip("transformers.models.vit.image_processing_pil_vit")
pil_deit = pytest.importorskip("transformers.models.deit.image_processing_pil_deit")

SMALL = {"height": 24, "width": 40}


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    shapes = [(31, 200, 3), (64, 64, 3), (10, 11, 3), (40, 24, 3)]
    noise = [Image.fromarray(random.integers(0, 256, shape, np.uint8)) for shape in shapes]
    return [*noise, Image.effect_noise((90, 20), 60).convert("RGB")]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resample": 3, "size": SMALL},
        {"resample": 2, "size": SMALL},
        {"resample": 1, "size": 17},
        {"do_resize": False},
        {"do_rescale": False, "size": SMALL},
        {"do_normalize": False, "size": SMALL},
        {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "size": SMALL},
        {"rescale_factor": 1 / 127.5, "size": SMALL},
        {"do_center_crop": True, "crop_size": {"height": 9, "width": 12}, "size": SMALL},
        {"do_center_crop": True, "crop_size": {"height": 35, "width": 51}, "size": SMALL},
        {"do_center_crop": True, "crop_size": {"height": 35, "width": 11}, "do_resize": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["vit", "deit"])
def test_pixel_values_equal_the_reference(kind, options):
    ours_class, theirs_class = {
        "vit": (ViTImageProcessor, pil_vit.ViTImageProcessorPil),
        "deit": (DeiTImageProcessor, pil_deit.DeiTImageProcessorPil),
    }[kind]
    ours, theirs = ours_class.from_dict(options), theirs_class(**options)
    for picture in pictures():
        mine = ours(picture, return_tensors="np").pixel_values
        reference = theirs(picture, return_tensors="np").pixel_values
        assert mine.dtype == np.float32
        assert mine.shape == reference.shape
        assert np.abs(mine - reference).max() <= 1e-6
        overridden = ours_class()(picture, return_tensors="np", **options).pixel_values
        assert np.array_equal(overridden, mine)


def test_inputs_give_one_result():
    processor = ViTImageProcessor(size=SMALL)
    first, second = (p.resize((30, 20)) for p in pictures()[:2])
    expected = processor([first, second], return_tensors="pt").pixel_values
    assert expected.shape == (2, 3, 24, 40)
    assert expected.dtype == torch.float32
    arrays = np.stack([np.asarray(first), np.asarray(second)])
    channels_first = arrays.transpose(0, 3, 1, 2)
    for images in (
        (first, second),
        [[first], [second]],
        arrays,
        list(arrays),
        channels_first,
        torch.tensor(channels_first),
        list(torch.tensor(channels_first)),
        arrays / 255,
    ):
        assert torch.equal(processor(images, return_tensors="pt").pixel_values, expected)
    listed = processor(first).pixel_values
    assert isinstance(listed, list)
    assert np.array_equal(listed[0], expected[0].numpy())


def test_fractions_are_rescaled_once():
    processor = ViTImageProcessor(size=SMALL)
    whole = np.asarray(pictures()[0])
    expected = processor(whole, return_tensors="np").pixel_values
    fractions = (whole / 255).astype(np.float32)
    for picture in (fractions, torch.tensor(fractions).permute(2, 0, 1)):
        again = processor(picture, return_tensors="np", do_rescale=False).pixel_values
        assert np.abs(again - expected).max() <= 1e-6


def test_bad_pictures_and_options():
    processor = ViTImageProcessor()
    with pytest.raises(ImageError, match="does not exist"):
        processor("nowhere.png")
    with pytest.raises(UsageError, match="no pictures"):
        processor([])
    with pytest.raises(UsageError, match="no option do_resise"):
        processor(pictures()[0], do_resise=False)
    with pytest.raises(UsageError, match="different lengths"):
        processor(pictures(), do_resize=False, return_tensors="pt")
    for wrong in (
        {"size": {"shortest_edge": 3}},
        {"size": 0},
        {"resample": 9},
        {"image_mean": [1]},
    ):
        with pytest.raises(UsageError):
            ViTImageProcessor.from_dict(wrong)


def test_batch_feature_moves():
    batch = BatchFeature(
        pixel_values=torch.zeros(1, 3, 2, 2), labels=torch.ones(1, 2).long(), n=[1]
    )
    assert batch.to("cpu", torch.float16) is batch
    assert batch.pixel_values.dtype == torch.float16
    assert batch.labels.dtype == torch.int64
    assert batch.to("meta").labels.device.type == "meta"
    with pytest.raises(AttributeError, match="pixel_values"):
        _ = batch.nothing


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ViTImageProcessor),
        ({"image_processor_type": "ViTImageProcessor"}, ViTImageProcessor),
        ({"image_processor_type": "ViTImageProcessorFast"}, ViTImageProcessor),
        ({"image_processor_type": "DeiTImageProcessorPil"}, DeiTImageProcessor),
        ({"feature_extractor_type": "DeiTFeatureExtractor"}, DeiTImageProcessor),
        ({"image_processor_type": "ViTFeatureExtractor"}, ViTImageProcessor),
        ({"image_processor_type": "LineImageProcessor"}, LineImageProcessor),
    ],
)
def test_class_by_name(config, expected):
    assert type(image_processor_from_dict(config)) is expected


def test_config_of_the_published_small_model():
    """Its fields as published: an int size, a crop that is off, an unknown key."""
    config = {
        "crop_size": 224,
        "do_center_crop": False,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "DeiTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "TrOCRProcessor",
        "resample": 3,
        "size": 384,
        "unheard_of": {"a": 1},
    }
    processor = image_processor_from_dict(config)
    assert processor.size == {"height": 384, "width": 384}
    saved = processor.to_dict()
    assert saved["unheard_of"] == {"a": 1}
    assert saved["image_processor_type"] == "DeiTImageProcessor"
    assert image_processor_from_dict(saved).to_dict() == saved
    theirs = pil_deit.DeiTImageProcessorPil.from_dict(dict(config))
    picture = pictures()[0]
    reference = theirs(picture, return_tensors="np").pixel_values
    assert np.abs(processor(picture, return_tensors="np").pixel_values - reference).max() <= 1e-6


def tokenizer_folder(folder: Path) -> Path:
    """A RoBERTa vocabulary of single bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


@pytest.fixture
def pair(tmp_path):
    """Our processor and the reference's, alike."""
    folder = tokenizer_folder(tmp_path / "tokenizer")
    ours = TrOCRProcessor(ViTImageProcessor(size=SMALL), Tokenizer.from_pretrained(folder))
    theirs = transformers.TrOCRProcessor(
        pil_vit.ViTImageProcessorPil(size=SMALL),
        transformers.RobertaTokenizer.from_pretrained(folder),
    )
    return ours, theirs


def assert_same_batch(mine: BatchFeature, reference: dict) -> None:
    assert mine.keys() == reference.keys()
    for name, value in reference.items():
        assert type(mine[name]) is type(value)
        if name == "pixel_values":
            assert np.abs(np.asarray(mine[name]) - np.asarray(value)).max() <= 1e-6
        elif isinstance(value, list):
            assert mine[name] == value
        else:
            assert np.array_equal(np.asarray(mine[name]), np.asarray(value))


@pytest.mark.parametrize(
    "arguments",
    [
        {"images": 1},
        {"images": 2},
        {"text": "Total"},
        {"text": ["Total", "1"]},
        {"images": 1, "text": "Total"},
        {"images": 2, "text": ["Total", "1"]},
        {"images": 2, "text": ["Total", "1"], "padding": True, "return_tensors": "pt"},
        {"images": 2, "text": ["Total", "1"], "padding": "max_length", "max_length": 9},
        {"text": ["Total", "1"], "padding": True, "return_tensors": "np"},
        {"text": ["Total", "1"], "truncation": True, "max_length": 3},
        {"images": 1, "return_tensors": "pt", "do_normalize": False},
        {"images": 1, "images_kwargs": {"size": {"height": 8, "width": 9}}},
        {
            "images": 1,
            "text": "Total",
            "text_kwargs": {"padding": "max_length", "max_length": 12},
            "common_kwargs": {"return_tensors": "pt"},
        },
        {"images": 1, "text": [["To", "tal"]], "is_split_into_words": True},
    ],
    ids=str,
)
def test_call_equals_the_reference(pair, arguments):
    ours, theirs = pair
    if "images" in arguments:
        chosen = pictures()[: arguments["images"]]
        arguments = {**arguments, "images": chosen if len(chosen) > 1 else chosen[0]}
    if arguments.get("is_split_into_words"):
        theirs.tokenizer.add_prefix_space = True
    assert_same_batch(ours(**arguments), dict(theirs(**arguments)))


def test_call_takes_positions(pair):
    ours, _ = pair
    picture = pictures()[0]
    assert set(ours(picture)) == {"pixel_values"}
    assert set(ours(picture, "Total")) == {"pixel_values", "labels"}
    assert ours.model_input_names == ["pixel_values", "labels"]


def test_nothing_or_unknown(pair):
    ours, _ = pair
    with pytest.raises(UsageError, match="nothing to process"):
        ours()
    with pytest.raises(UsageError, match="paddding"):
        ours(text="a", paddding=True)
    with pytest.raises(UsageError, match="paddding"):
        ours(images=pictures()[0], paddding=True)


def test_decode(pair):
    ours, theirs = pair
    labels = ours(text=["Total 1", "é"], padding=True, return_tensors="pt").input_ids
    for skip in (False, True):
        assert ours.batch_decode(labels, skip_special_tokens=skip) == theirs.batch_decode(
            labels, skip_special_tokens=skip
        )
    assert ours.decode(labels[0], skip_special_tokens=True) == "Total 1"


@pytest.mark.parametrize("legacy", [True, False])
def test_what_we_save_the_reference_loads(pair, legacy, tmp_path):
    ours, _ = pair
    folder = tmp_path / "saved"
    written = ours.save_pretrained(folder, legacy_serialization=legacy)
    assert sorted(written) == sorted(str(path) for path in folder.iterdir())
    assert (folder / "preprocessor_config.json").exists() == legacy
    for loaded in (
        transformers.TrOCRProcessor.from_pretrained(folder),
        transformers.AutoProcessor.from_pretrained(folder),
    ):
        assert type(loaded) is transformers.TrOCRProcessor
        batch = {"images": pictures()[:2], "text": ["Total", "1"], "padding": True}
        assert_same_batch(ours(**batch), dict(loaded(**batch)))
    again = TrOCRProcessor.from_pretrained(folder)
    assert again.image_processor.size == SMALL
    assert again.tokenizer.get_vocab() == ours.tokenizer.get_vocab()
    # The other layout must not stay behind and win.
    again.image_processor.size = {"height": 8, "width": 8}
    again.save_pretrained(folder, legacy_serialization=not legacy)
    assert TrOCRProcessor.from_pretrained(folder).image_processor.size["height"] == 8


def test_what_the_reference_saves_we_load(pair, tmp_path):
    _, theirs = pair
    theirs.save_pretrained(tmp_path / "saved")
    loaded = TrOCRProcessor.from_pretrained(tmp_path / "saved")
    batch = {"images": pictures()[:2], "text": ["Total", "1"], "padding": True}
    assert_same_batch(loaded(**batch), dict(theirs(**batch)))
    theirs.image_processor.save_pretrained(tmp_path / "older")
    theirs.tokenizer.save_pretrained(tmp_path / "older")
    assert (tmp_path / "older/preprocessor_config.json").exists()
    older = TrOCRProcessor.from_pretrained(tmp_path / "older")
    assert_same_batch(older(**batch), dict(theirs(**batch)))


def test_our_own_kind_round_trips(tmp_path):
    ours = TrOCRProcessor(LineImageProcessor(48), Tokenizer.from_characters("abc 1"))
    ours.save_pretrained(tmp_path)
    again = TrOCRProcessor.from_pretrained(str(tmp_path))
    assert again.image_processor.image_height == 48
    batch = again(pictures()[:2], ["ab", "c"], padding=True, return_tensors="pt")
    assert torch.equal(batch.pixel_values, ours(pictures()[:2], return_tensors="pt").pixel_values)
    assert batch.labels.tolist() == [[4, 5, 2], [6, 2, 1]]


def test_push_to_hub(pair, tmp_path, monkeypatch):
    pushed = []
    monkeypatch.setattr(
        "trocr.processor.upload_folder", lambda folder, name, token: pushed.append((folder, name))
    )
    pair[0].save_pretrained(tmp_path / "line-model", push_to_hub=True)
    pair[0].save_pretrained(tmp_path / "b", push_to_hub=True, repo_id="me/x")
    assert pushed == [(tmp_path / "line-model", "line-model"), (tmp_path / "b", "me/x")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"No image processor in .*processor_config\.json and preprocessor_config\.json"),
        ({"preprocessor_config.json": "{"}, "does not describe an image processor"),
        ({"preprocessor_config.json": "[]"}, "does not describe an image processor"),
        ({"preprocessor_config.json": '{"size": "x"}'}, "no size"),
        ({"preprocessor_config.json": '{"image_processor_type": "Odd"}'}, "Odd is not known"),
        ({"processor_config.json": "{}"}, "No image processor in"),
        ({"preprocessor_config.json": "{}"}, "No tokenizer in"),
    ],
)
def test_one_clear_error(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        TrOCRProcessor.from_pretrained(tmp_path)
    assert raised.value.hint


def test_not_a_folder(pair, tmp_path):
    with pytest.raises(CheckpointError, match="no model folder"):
        TrOCRProcessor.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        pair[0].save_pretrained(tmp_path / "file")
