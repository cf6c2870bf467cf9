"""``transformers.Seq2SeqTrainer`` trains our classes as its own, the way tutorials call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from reference_models import IMAGE_SIZE, Variant, images, randomise, reference_config
from safetensors.torch import load_file
from test_tokenizer import byte_level_folder

import trocr
from trocr.image_processor import ViTImageProcessor
from trocr.tokenizer import Tokenizer
from trocr.training.reference_trainer import SavesModelFolders

POSITIONS = 24


class FolderTrainer(SavesModelFolders, transformers.Seq2SeqTrainer):
    pass


class Lines(torch.utils.data.Dataset):
    """As in the tutorials: one picture and its labels, padding as -100."""

    def __init__(self, processor: Any, count: int) -> None:
        self.processor, self.count = processor, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        pixels = np.random.default_rng(index).integers(0, 255, (16, 40, 3), dtype=np.uint8)
        tokenizer = self.processor.tokenizer
        labels = tokenizer(f"total {index}", padding="max_length", max_length=12).input_ids
        labels = [-100 if label == tokenizer.pad_token_id else label for label in labels]
        inputs = self.processor(Image.fromarray(pixels), return_tensors="pt")
        return {"pixel_values": inputs.pixel_values.squeeze(), "labels": torch.tensor(labels)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tied model and its processor, as ``transformers`` saves them."""
    root = tmp_path_factory.mktemp("trainer")
    tokenizer = Tokenizer.from_pretrained(byte_level_folder(root / "tokenizer"))
    decoder = {"vocab_size": len(tokenizer), "max_position_embeddings": POSITIONS, "dropout": 0.0}
    config = reference_config(Variant(decoder=decoder))
    randomise(transformers.VisionEncoderDecoderModel(config)).save_pretrained(root / "model")
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    trocr.TrOCRProcessor(ViTImageProcessor(size=size), tokenizer).save_pretrained(root / "model")
    return root / "model"


def trainer_of(
    library: Any, folder: Path, out: Path, trainer_class: type = FolderTrainer, **options: Any
) -> Any:
    """Set up as in the tutorials, metrics of strings included."""
    processor = library.TrOCRProcessor.from_pretrained(folder)
    model = library.VisionEncoderDecoderModel.from_pretrained(folder)
    model.config.decoder_start_token_id = processor.tokenizer.eos_token_id
    model.config.pad_token_id = processor.tokenizer.pad_token_id
    model.config.vocab_size = model.config.decoder.vocab_size

    def metrics(prediction: Any) -> dict[str, float]:
        found = []
        for ids in (prediction.predictions, prediction.label_ids):
            ids[ids == -100] = processor.tokenizer.pad_token_id
            found.append(processor.batch_decode(ids, skip_special_tokens=True))
        predicted, true = found
        assert true == [f"total {i}" for i in range(len(true))]
        return {"length": float(np.mean([len(text) for text in predicted]))}

    settings: dict[str, Any] = {
        "predict_with_generate": True,
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 2,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    return trainer_class(
        model=model,
        processing_class=processor,
        args=transformers.Seq2SeqTrainingArguments(str(out), **{**settings, **options}),
        compute_metrics=metrics,
        train_dataset=Lines(processor, 6),
        eval_dataset=Lines(processor, 3),
        data_collator=transformers.default_data_collator,
    )


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_it_learns_what_the_reference_learns(folder: Path, tmp_path: Path) -> None:
    ours = trainer_of(trocr, folder, tmp_path / "ours", report_to=["tensorboard"])
    theirs = trainer_of(transformers, folder, tmp_path / "theirs", transformers.Seq2SeqTrainer)
    ours.train()
    theirs.train()
    assert len(losses(ours)) == 3
    assert losses(ours)[2] != losses(ours)[0]
    assert losses(ours) == pytest.approx(losses(theirs), abs=1e-3)
    assert ours.state.total_flos == pytest.approx(theirs.state.total_flos, rel=0.1)


def test_it_generates_to_evaluate(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_of(trocr, folder, tmp_path)
    first, again = trainer.evaluate(), trainer.evaluate()
    assert first["eval_length"] == again["eval_length"] > 0
    assert trainer.predict(Lines(trainer.processing_class, 3)).predictions.shape == (3, POSITIONS)
    assert trainer.evaluate(max_length=7)["eval_length"] < first["eval_length"]
    assert trainer.model.generation_settings().max_length == POSITIONS, "texts are not cut later"


def test_a_model_that_it_saved_loads_again(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_of(trocr, folder, tmp_path / "run")
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    written = trainer.model.eval().generate(images(), max_new_tokens=8)
    for library in (trocr, transformers):
        model = library.VisionEncoderDecoderModel.from_pretrained(tmp_path / "saved").eval()
        assert model.generate(images(), max_new_tokens=8).tolist() == written.tolist()
        processor = library.TrOCRProcessor.from_pretrained(tmp_path / "saved")
        assert (
            processor.tokenizer("total 1").input_ids
            == trainer.train_dataset[1]["labels"].tolist()[
                : len(processor.tokenizer("total 1").input_ids)
            ]
        )
    assert trocr.load(tmp_path / "saved", "cpu").read_lines([Image.new("L", (60, 16), 255)])


def test_it_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 2}
    whole = trainer_of(trocr, folder, tmp_path / "run", **options)
    whole.train()
    again = trainer_of(trocr, folder, tmp_path / "again", **options)
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    expected = whole.model.state_dict()
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)
    head = again.model.get_output_embeddings().weight
    assert head is again.model.get_input_embeddings().weight


def test_the_best_checkpoint_comes_back(folder: Path, tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "eval_strategy": "steps", "save_steps": 1, "eval_steps": 1}
    trainer = trainer_of(
        trocr, folder, tmp_path, load_best_model_at_end=True, greater_is_better=True, **options
    )
    trainer.train()  # by the loss, the largest: not the last one
    best = Path(trainer.state.best_model_checkpoint)
    assert best.name != "checkpoint-3"
    expected = trocr.VisionEncoderDecoderModel.from_pretrained(best).state_dict()
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, expected[name])


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing")  # its older name
def test_layers_are_computed_again_if_it_says_so(folder: Path, tmp_path: Path) -> None:
    plain = trainer_of(trocr, folder, tmp_path / "plain")
    plain.train()
    trainer = trainer_of(trocr, folder, tmp_path / "again", gradient_checkpointing=True)
    trainer.train()
    assert trainer.model.is_gradient_checkpointing
    assert losses(trainer) == pytest.approx(losses(plain), abs=1e-6)


def test_by_itself_it_saves_weights_that_load(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_of(trocr, folder, tmp_path, transformers.Seq2SeqTrainer)
    trainer.processing_class = trainer.processing_class.image_processor  # as older tutorials do
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "preprocessor_config.json").is_file()
    model = trocr.VisionEncoderDecoderModel.from_pretrained(folder)
    model.load_state_dict(load_file(tmp_path / "saved" / "model.safetensors"))
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_published_names_are_loaded_into_a_model(folder: Path) -> None:
    model = trocr.VisionEncoderDecoderModel.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    published = load_file(folder / "model.safetensors")
    state = {name: tensor for name, tensor in published.items() if ".pooler." not in name}
    assert model.load_state_dict(state).missing_keys == []
    expected = trocr.VisionEncoderDecoderModel.from_pretrained(folder).state_dict()
    assert expected.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name])
