"""Beginning a run with the weights of another model."""

from __future__ import annotations

from ..bundled import bundled_folder
from ..errors import CheckpointError
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from ..tokenizer import Tokenizer
from .config import TrainingConfig


def start_from(
    model: VisionEncoderDecoderModel, tokenizer: Tokenizer, config: TrainingConfig
) -> None:
    """Copy the weights that ``config.model.start_from`` names into ``model``.

    Raises:
        CheckpointError: no such model, another shape, or another vocabulary.
    """
    name = config.model.start_from
    folder = bundled_folder(name) or config.folder / name
    other = VisionEncoderDecoderModel.from_pretrained(folder)
    if TrOCRProcessor.from_pretrained(folder).tokenizer.get_vocab() != tokenizer.get_vocab():
        raise CheckpointError(
            f"{folder} has another vocabulary.", "Use the characters of its training.toml."
        )
    try:
        model.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder} has another shape: {str(error).splitlines()[1].strip()}",
            "Use the [model.encoder] and [model.decoder] of its training.toml.",
        ) from None
