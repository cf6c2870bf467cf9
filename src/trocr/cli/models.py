"""``trocr models``: what comes with the package."""

from __future__ import annotations

from ..bundled import bundled_models


def models() -> None:
    """List the bundled models: name, size, folder, summary.

    \b
    trocr models
    trocr read line.png --model printed
    """
    for model in bundled_models():
        size = sum(file.stat().st_size for file in model.folder.rglob("*") if file.is_file())
        print(f"{model.name}  {size / 1e6:.1f} MB  {model.folder}")
        print(f"    {model.summary}")
