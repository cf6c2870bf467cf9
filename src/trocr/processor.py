"""What stands before and after the model: pictures to pixels, texts to ids, ids to texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .batch import BatchFeature
from .errors import CheckpointError, UsageError
from .hub import PROCESSOR_FILES, resolve_folder, upload_folder
from .image_processor import PREPROCESSOR, ImageProcessor, image_processor_from_dict
from .tokenizer import Tokenizer

_PROCESSOR = "processor_config.json"
_TEXT_OPTIONS = (
    "padding",
    "truncation",
    "max_length",
    "add_special_tokens",
    "is_split_into_words",
    "pad_to_multiple_of",
)


class TrOCRProcessor:
    """An image processor and a tokenizer under one name.

    Attributes:
        image_processor: called with pictures.
        tokenizer: called with texts, and asked to decode.
    """

    def __init__(self, image_processor: ImageProcessor, tokenizer: Tokenizer) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer

    @property
    def model_input_names(self) -> list[str]:
        """The names that a training batch has."""
        return [*self.image_processor.model_input_names, "labels"]

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        *,
        return_tensors: str | None = None,
        text_kwargs: dict[str, Any] | None = None,
        images_kwargs: dict[str, Any] | None = None,
        common_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> BatchFeature:
        """Prepare pictures, texts, or pictures with their texts as labels.

        Args:
            images: one picture or several, as the image processor takes them.
            text: one text or several, as the tokenizer takes them.
            return_tensors: None for lists, ``"pt"`` or ``"np"``.
            text_kwargs, images_kwargs: options for one of the two.
            common_kwargs: options for both, such as ``return_tensors``.
            options: options of the tokenizer (``padding``, ``max_length`` …) or of the image
                processor (``do_resize``, ``size`` …), by name; they come before the others.

        Returns:
            ``pixel_values`` for pictures, ``input_ids`` and ``attention_mask`` for texts, and
            ``pixel_values`` with ``labels`` for both.

        Raises:
            UsageError: neither pictures nor texts, or an unknown option.
        """
        if images is None and text is None:
            raise UsageError("There is nothing to process.", "Give images, text, or both.")
        shared = dict(common_kwargs or {})
        if return_tensors is not None:
            shared["return_tensors"] = return_tensors
        of_text = {k: v for k, v in options.items() if k in _TEXT_OPTIONS}
        of_images = {k: v for k, v in options.items() if k not in _TEXT_OPTIONS}
        for_text = {**shared, **(text_kwargs or {}), **of_text}
        if images is None:
            if of_images:
                raise UsageError(
                    f"Texts have no option {', '.join(sorted(of_images))}.",
                    f"They have {', '.join(_TEXT_OPTIONS)}.",
                )
            return self.tokenizer(text, **for_text)
        for_images = {**shared, **(images_kwargs or {}), **of_images}
        batch = self.image_processor(images, **for_images)
        if text is not None:
            batch["labels"] = self.tokenizer(text, **for_text)["input_ids"]
        return batch

    def decode(self, *args: Any, **options: Any) -> Any:
        """`Tokenizer.decode`."""
        return self.tokenizer.decode(*args, **options)

    def batch_decode(self, *args: Any, **options: Any) -> list[str]:
        """`Tokenizer.batch_decode`."""
        return self.tokenizer.batch_decode(*args, **options)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
    ) -> TrOCRProcessor:
        """Load from a folder or a hub id; the options are those of `resolve_folder`.

        Raises:
            CheckpointError: the folder, one of its files or the repository cannot be used.
        """
        folder = resolve_folder(
            pretrained_model_name_or_path,
            allow_patterns=PROCESSOR_FILES,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
        )
        return cls(_read_image_processor(folder), Tokenizer.from_pretrained(folder))

    def save_pretrained(
        self,
        save_directory: str | Path,
        push_to_hub: bool = False,
        legacy_serialization: bool = True,
        *,
        repo_id: str | None = None,
        token: str | bool | None = None,
    ) -> list[str]:
        """Write the processor beside a model.

        Args:
            save_directory: created if missing.
            push_to_hub: upload the folder too, as `repo_id` or under the folder's name.
            legacy_serialization: write the image processor into ``preprocessor_config.json``,
                which every version of the reference reads; otherwise into
                ``processor_config.json``, as version 5 writes it.

        Returns:
            The paths of the files written.

        Raises:
            UsageError: the path is a file.
        """
        folder = Path(save_directory)
        if folder.is_file():
            raise UsageError(f"{folder} is a file.", "Name a folder to save the processor in.")
        written = list(self.tokenizer.save_pretrained(folder))
        config = {**self.image_processor.to_dict(), "processor_class": type(self).__name__}
        stale, name = _PROCESSOR, PREPROCESSOR
        if not legacy_serialization:
            stale, name = name, stale
            del config["processor_class"]
            config = {"image_processor": config, "processor_class": type(self).__name__}
        # The other layout, left from an earlier save, would contradict this one.
        (folder / stale).unlink(missing_ok=True)
        path = folder / name
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if push_to_hub:
            upload_folder(folder, repo_id or folder.name, token=token)
        return [*written, str(path)]


def _read_image_processor(folder: Path) -> ImageProcessor:
    """From ``processor_config.json`` (nested, 5.x), else from ``preprocessor_config.json``."""
    for name in (_PROCESSOR, PREPROCESSOR):
        path = folder / name
        if not path.is_file():
            continue
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            config = config.get("image_processor") if name == _PROCESSOR else config
            if config is not None:
                return image_processor_from_dict(config)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error.message}", error.hint) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} does not describe an image processor: {error}",
                "Copy or download it again.",
            ) from error
    raise CheckpointError(
        f"No image processor in {folder}: looked for {_PROCESSOR} and {PREPROCESSOR}.",
        "Give the folder of a model that was saved together with its processor.",
    )
