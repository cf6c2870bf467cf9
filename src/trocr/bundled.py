"""The models inside the package: one folder each under ``trocr/models``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_MODEL = "printed"
MODELS = Path(__file__).parent / "models"
CARD = "README.md"


@dataclass(frozen=True)
class BundledModel:
    """``folder`` is a checkpoint folder; ``summary`` is the first sentence of its card."""

    name: str
    folder: Path
    summary: str


def bundled_models() -> list[BundledModel]:
    """Every model that this installation carries, by name."""
    folders = sorted(path.parent for path in MODELS.glob("*/config.json"))
    return [BundledModel(folder.name, folder, _summary(folder / CARD)) for folder in folders]


def bundled_folder(name: str) -> Path | None:
    """The folder of a bundled model, or None where there is none of that name."""
    return next((model.folder for model in bundled_models() if model.name == name), None)


def _summary(card: Path) -> str:
    """The first line of prose, behind the YAML front matter and the headings."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
