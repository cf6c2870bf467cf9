"""A small CTC head over the patches of a published encoder: it guesses what the decoder writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .config import LineEncoderConfig
from .ctc import ctc_greedy_ids
from .errors import CheckpointError
from .line_encoder import LineEncoderLayer, sinusoids

WEIGHTS, CONFIG = "draft_head.safetensors", "draft_head.json"
BLANK = 0


@dataclass(frozen=True)
class DraftHeadConfig:
    """What a head is built from.

    Attributes:
        characters: that it can write; the CTC class of the first is 1, as 0 is the blank.
        encoder_width: of the encoder's states.
        rows, columns: of patches.
        frames_per_column: CTC frames; a line holds as many characters as all frames.
        acceptance: of drafts on lines that it was not trained on, for people.
    """

    characters: str
    encoder_width: int
    rows: int
    columns: int
    row_width: int = 32
    hidden_size: int = 256
    num_layers: int = 2
    num_heads: int = 4
    frames_per_column: int = 8
    acceptance: dict[str, Any] = field(default_factory=dict, compare=False)


class DraftHead(nn.Module):
    """Columns of patches, each as several CTC frames, and Transformer layers over the frames."""

    def __init__(self, config: DraftHeadConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        layer = LineEncoderConfig(
            hidden_size=width,
            num_attention_heads=config.num_heads,
            intermediate_size=4 * width,
        )
        self.norm_in = nn.LayerNorm(config.encoder_width)
        self.patch = nn.Linear(config.encoder_width, config.row_width)
        self.column = nn.Linear(config.rows * config.row_width, config.frames_per_column * width)
        self.layers = nn.ModuleList(LineEncoderLayer(layer) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(width)
        self.classes = nn.Linear(width, 1 + len(config.characters))

    def forward(self, states: Tensor) -> Tensor:
        """(batch, special tokens + patches, encoder_width) to CTC logits (batch, frames, classes).

        The patches come row by row, behind the special tokens.
        """
        config = self.config
        patches = self.patch(self.norm_in(states[:, -config.rows * config.columns :]))
        grid = patches.view(len(states), config.rows, config.columns, -1)
        columns = self.column(grid.transpose(1, 2).flatten(2))
        frames = columns.view(len(states), -1, config.hidden_size)
        frames = frames + sinusoids(frames.shape[1], frames.shape[2], frames)
        for layer in self.layers:
            frames, _ = layer(frames, None, False)
        logits: Tensor = self.classes(self.norm(frames))
        return logits

    def texts(self, states: Tensor) -> list[str]:
        """The text of each line of encoder states, as in ``forward``."""
        logits = self(states)
        every = torch.ones(logits.shape[:2], device=logits.device)
        rows = ctc_greedy_ids(logits, every, BLANK)
        return ["".join(self.config.characters[i - 1] for i in row) for row in rows]

    def save(self, folder: Path, acceptance: dict[str, Any]) -> None:
        """Write the head beside a checkpoint, with what was measured."""
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        save_file(tensors, folder / WEIGHTS)
        values = {**asdict(self.config), "acceptance": acceptance}
        text = json.dumps(values, indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def stored_draft_head(folder: Path) -> DraftHead | None:
    """The head in a model's folder, in evaluation mode, or None where there is none.

    Raises:
        CheckpointError: it is damaged.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    try:
        head = DraftHead(DraftHeadConfig(**json.loads(path.read_text(encoding="utf-8"))))
        head.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} and {WEIGHTS} do not make a draft head: {str(error).splitlines()[0]}",
            "Delete both, or train it anew: `trocr optimize draft`.",
        ) from None
    return head.eval()
