"""Pictures to ``pixel_values`` as a model's ``preprocessor_config.json`` asks.

The published processors (ViT, DeiT) resize every picture to one size; their steps and defaults
follow `transformers` 5.23, Pillow backend.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from .batch import BatchFeature, to_arrays
from .errors import CheckpointError, UsageError
from .image import load_image
from .line_image import LineImageProcessor, Placement

PREPROCESSOR = "preprocessor_config.json"

Size = Mapping[str, int]


class ImageProcessor(Protocol):
    """What a processor needs of its image processor."""

    model_input_names: tuple[str, ...]

    def __call__(
        self, images: Any, return_tensors: str | None = None, **options: Any
    ) -> BatchFeature:
        """One picture or several to ``pixel_values``."""

    def placement(self, picture: Image.Image) -> Placement:
        """Where ``pixel_values`` lie on an RGB picture."""

    def to_dict(self) -> dict[str, Any]:
        """The entries of ``preprocessor_config.json``."""


@dataclass
class ViTImageProcessor:
    """Resize, crop, rescale and normalise pictures of any size to one size.

    Attributes:
        size: ``{"height": pixels, "width": pixels}``; a number or a pair (height, width) is
            understood. The same for `crop_size`.
        resample: a `PIL.Image.Resampling` number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic.
        do_center_crop: cut `crop_size` out of the middle, filled up with black where it is larger.
        rescale_factor: pixels 0–255 are multiplied by it.
        image_mean, image_std: of the three channels after rescaling, or one number for all.
        extra: entries of the file that are not known here; kept and saved back.
    """

    model_input_names = ("pixel_values",)

    do_resize: bool = True
    size: Size = field(default_factory=lambda: {"height": 224, "width": 224})
    resample: int = Image.Resampling.BILINEAR
    do_center_crop: bool = False
    crop_size: Size = field(default_factory=lambda: {"height": 224, "width": 224})
    do_rescale: bool = True
    rescale_factor: float = 1 / 255
    do_normalize: bool = True
    image_mean: float | Sequence[float] = (0.5, 0.5, 0.5)
    image_std: float | Sequence[float] = (0.5, 0.5, 0.5)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.size = _size("size", self.size)
        self.crop_size = _size("crop_size", self.crop_size)
        self.image_mean = _channels("image_mean", self.image_mean)
        self.image_std = _channels("image_std", self.image_std)
        if self.resample not in list(Image.Resampling):
            raise UsageError(f"resample={self.resample!r} is no filter of Pillow.", "Use 0 to 5.")

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> ViTImageProcessor:
        """Build from the entries of ``preprocessor_config.json``; null means the default.

        Raises:
            UsageError: an entry that cannot be used.
        """
        known = {f.name for f in fields(cls)} - {"extra"}
        options = {k: v for k, v in config.items() if k in known and v is not None}
        extra = {k: v for k, v in config.items() if k not in known}
        return cls(**options, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """The entries of ``preprocessor_config.json``."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        options |= {name: list(options[name]) for name in ("image_mean", "image_std")}
        options["resample"] = int(self.resample)
        return {**self.extra, **options, "image_processor_type": type(self).__name__}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``preprocessor_config.json`` into ``folder``, made if it is not there."""
        path = Path(folder) / PREPROCESSOR
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )

    def __call__(
        self, images: Any, return_tensors: str | None = None, **options: Any
    ) -> BatchFeature:
        """Prepare one picture or a batch.

        Args:
            images: what `load_image` takes, a (nested) list of it, or a 4-dimensional array.
                Float pictures up to 1 count as rescaled already, whatever `do_rescale` says.
            return_tensors: None for a list of arrays, ``"pt"`` or ``"np"`` for one.
            options: any attribute of this class, for this call only.

        Returns:
            ``pixel_values``, float32 (batch, 3, height, width).

        Raises:
            ImageError: a picture that cannot be read.
            UsageError: no pictures, an unknown option, or sizes that differ in one tensor.
        """
        processor = self._with(options) if options else self
        pictures = list(_flatten(images))
        if not pictures:
            raise UsageError("There are no pictures in the list.", "Give at least one.")
        pixel_values = [processor._pixels(picture) for picture in pictures]
        return BatchFeature(pixel_values=to_arrays(pixel_values, return_tensors))

    def placement(self, picture: Image.Image) -> Placement:
        """Which part of a picture is used, and how wide that becomes."""
        size: Size = {"width": picture.width, "height": picture.height}
        size = seen = self.size if self.do_resize else size
        if self.do_center_crop:
            seen = self.crop_size
        left, top = _crop_offset((size["width"], size["height"]), seen)
        across, down = picture.width / size["width"], picture.height / size["height"]
        return Placement(
            width=seen["width"],
            left=left * across,
            right=(left + seen["width"]) * across,
            top=top * down,
            bottom=(top + seen["height"]) * down,
        )

    def _with(self, options: dict[str, Any]) -> ViTImageProcessor:
        unknown = options.keys() - {f.name for f in fields(self)}
        if unknown:
            raise UsageError(
                f"{type(self).__name__} has no option {', '.join(sorted(unknown))}.",
                f"It has {', '.join(f.name for f in fields(self))}.",
            )
        return replace(self, **{k: v for k, v in options.items() if v is not None})

    def _pixels(self, picture: Any) -> npt.NDArray[np.float32]:
        image = load_image(picture)
        if self.do_resize:
            image = image.resize(
                (self.size["width"], self.size["height"]), Image.Resampling(self.resample)
            )
        if self.do_center_crop:
            left, top = _crop_offset(image.size, self.crop_size)
            box = (left, top, left + self.crop_size["width"], top + self.crop_size["height"])
            image = image.crop(box)
        table = self._value_table(fraction=not self.do_rescale and _is_fraction(picture))
        levels = np.asarray(image)
        pixels = np.empty((3, image.height, image.width), np.float32)
        for channel, values in enumerate(table):
            # No level is out of range; "clip" only lets numpy write without a buffer (4× faster).
            np.take(values, levels[..., channel], out=pixels[channel], mode="clip")
        return pixels

    def _value_table(self, fraction: bool) -> npt.NDArray[np.float32]:
        """(3, 256): the value that each 8-bit level of each channel becomes."""
        levels = np.arange(256, dtype=np.float64)
        if self.do_rescale or fraction:
            levels *= self.rescale_factor if self.do_rescale else 1 / 255
        table = np.broadcast_to(levels.astype(np.float32), (3, 256))
        if self.do_normalize:
            mean, std = np.array([self.image_mean, self.image_std], np.float32)
            table = (table - mean[:, None]) / std[:, None]
        return table


@dataclass
class DeiTImageProcessor(ViTImageProcessor):
    """The same steps with the defaults of DeiT: bicubic to 256, then the middle 224."""

    size: Size = field(default_factory=lambda: {"height": 256, "width": 256})
    resample: int = Image.Resampling.BICUBIC
    do_center_crop: bool = True


IMAGE_PROCESSORS: dict[str, Any] = {
    cls.__name__: cls for cls in (ViTImageProcessor, DeiTImageProcessor, LineImageProcessor)
}


def image_processor_from_dict(config: Mapping[str, Any]) -> ImageProcessor:
    """The image processor that a ``preprocessor_config.json`` describes.

    The class is named by ``image_processor_type``, in older files ``feature_extractor_type``; the
    suffixes of the reference's backends are the same class here. Files that name none are ViT's.

    Raises:
        CheckpointError: a class that is not known.
        UsageError: an entry that cannot be used.
    """
    named = config.get("image_processor_type") or config.get("feature_extractor_type")
    name = str(named or "ViTImageProcessor").removesuffix("Fast").removesuffix("Pil")
    name = name.replace("FeatureExtractor", "ImageProcessor")
    if name not in IMAGE_PROCESSORS:
        raise CheckpointError(
            f"The image processor {named} is not known.",
            f"Known are {', '.join(IMAGE_PROCESSORS)}.",
        )
    processor: ImageProcessor = IMAGE_PROCESSORS[name].from_dict(config)
    return processor


def _flatten(images: Any) -> Iterator[Any]:
    """The single pictures of nested lists and 4-dimensional arrays."""
    if isinstance(images, (list, tuple)) or len(getattr(images, "shape", ())) == 4:
        for item in images:
            yield from _flatten(item)
    else:
        yield images


def _is_fraction(picture: Any) -> bool:
    """Whether a picture is given as fractions of white rather than 0–255."""
    if "float" not in str(getattr(picture, "dtype", "")):
        return False
    return bool(picture.max() <= 1.5)


def _crop_offset(size: tuple[int, int], crop: Size) -> tuple[int, int]:
    """Left and top of a centred crop of a picture of ``size`` (width, height)."""
    # Rounding as the reference: down when cutting, up when filling.
    return (size[0] - crop["width"]) // 2, (size[1] - crop["height"]) // 2


def _size(name: str, value: Any) -> Size:
    if isinstance(value, int):
        value = {"height": value, "width": value}
    elif isinstance(value, (list, tuple)) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, Mapping) or value.keys() != {"height", "width"}:
        raise UsageError(f"{name}={value!r} is no size.", "Give height and width in pixels.")
    if not all(isinstance(side, int) and side > 0 for side in value.values()):
        raise UsageError(f"{name}={value!r} is no size.", "Height and width are positive pixels.")
    return dict(value)


def _channels(name: str, value: Any) -> Sequence[float]:
    channels = [value] * 3 if isinstance(value, (int, float)) else list(value)
    if len(channels) != 3:
        raise UsageError(f"{name} has {len(channels)} values.", "Give one for each of 3 channels.")
    return channels
