"""For those who train with `transformers`: its Trainer, and the folders that it writes."""

from __future__ import annotations

from typing import Any

from ..pretrained import PretrainedModel


class SavesModelFolders:
    """A base to put before ``transformers.Seq2SeqTrainer``, whose checkpoints then are folders
    that ``from_pretrained`` reads, here and there: ``class Trainer(SavesModelFolders,
    Seq2SeqTrainer): pass``.

    By itself that Trainer saves the weights alone of a model that is not its library's.
    """

    model: PretrainedModel
    args: Any

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, self.model.published_tensors())  # type: ignore[misc]
        self.model.save_settings(output_dir or self.args.output_dir)
