"""Model configurations: the published ``config.json`` in and out, unknown keys kept."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, ClassVar

from .errors import CheckpointError


class ModelConfig:
    """Keys of one model as attributes; class attributes are the known keys and their defaults.

    A configuration read from a file writes the same JSON back: known keys that the file left at
    their default stay out, unknown ones are kept.
    """

    model_type: ClassVar[str] = ""
    _aliases: ClassVar[dict[str, str]] = {}

    output_attentions: bool = False
    output_hidden_states: bool = False
    return_dict: bool = True

    def __init__(self, **values: Any) -> None:
        for key, default in self.defaults().items():
            setattr(self, key, copy.deepcopy(default))
        for key, value in values.items():
            setattr(self, key, value)
        self._file_keys: tuple[str, ...] | None = None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Known keys with their default values, in declaration order."""
        keys: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for name in vars(base).get("__annotations__", {}):
                if not name.startswith("_") and name != "model_type":
                    keys[name] = getattr(cls, name)
        return keys

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self._aliases.get(name, name), value)

    def __getattr__(self, name: str) -> Any:
        if name in self._aliases:
            return getattr(self, self._aliases[name])
        raise AttributeError(f"{type(self).__name__} has no key {name!r}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Any:
        """A configuration of this class from parsed JSON."""
        config = cls(**{k: copy.deepcopy(v) for k, v in values.items() if k != "model_type"})
        config._file_keys = tuple(values)
        return config

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; equal to what ``from_dict`` was given unless something was set."""
        current = {k: v for k, v in vars(self).items() if k != "_file_keys"}
        current["model_type"] = self.model_type
        if self._file_keys is None:
            keys = list(current)
        else:
            defaults = self.defaults()
            changed = (k for k, v in current.items() if k not in defaults or v != defaults[k])
            keys = list(dict.fromkeys((*self._file_keys, *changed)))
        return {k: _plain(current[self._aliases.get(k, k)]) for k in keys}

    def to_json_string(self) -> str:
        """The content of ``config.json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` into ``folder``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "config.json").write_text(self.to_json_string(), encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Any:
        """Read ``config.json`` from ``folder``.

        Raises:
            CheckpointError: the file is missing or not JSON, or belongs to another model type.
        """
        values = read_config_json(folder)
        if values.get("model_type") not in (None, cls.model_type):
            raise CheckpointError(
                f"{folder}/config.json describes a {values['model_type']!r} model, "
                f"not {cls.model_type!r}.",
                "Load it with the class of that model.",
            )
        return cls.from_dict(values)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModelConfig)
            and self.model_type == other.model_type
            and self.to_dict() == other.to_dict()
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({json.dumps(self.to_dict(), indent=2)})"


def _plain(value: Any) -> Any:
    if isinstance(value, ModelConfig):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


def read_config_json(folder: str | Path) -> dict[str, Any]:
    """The parsed ``config.json`` of a checkpoint folder.

    Raises:
        CheckpointError: the file is missing or not a JSON object.
    """
    path = Path(folder) / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"No config.json in {folder}.",
            "Point to a checkpoint folder written by save_pretrained.",
        ) from None
    except (ValueError, OSError) as error:
        raise CheckpointError(f"Cannot read {path}: {error}.", "Download it again.") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is not a JSON object.", "Download it again.")
    return values


class TrOCRConfig(ModelConfig):
    """The text decoder (arXiv 2109.10282, section 3.2)."""

    model_type = "trocr"
    _aliases: ClassVar[dict[str, str]] = {
        "num_attention_heads": "decoder_attention_heads",
        "hidden_size": "d_model",
        "num_hidden_layers": "decoder_layers",
    }

    vocab_size: int = 50265
    d_model: int = 1024
    decoder_layers: int = 12
    decoder_attention_heads: int = 16
    decoder_ffn_dim: int = 4096
    activation_function: str = "gelu"
    max_position_embeddings: int = 512
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    decoder_start_token_id: int = 2
    init_std: float = 0.02
    decoder_layerdrop: float = 0.0
    use_cache: bool = True
    scale_embedding: bool = False
    use_learned_position_embeddings: bool = True
    layernorm_embedding: bool = True
    pad_token_id: int = 1
    bos_token_id: int = 0
    eos_token_id: int = 2
    cross_attention_hidden_size: int | None = None
    is_decoder: bool = False
    add_cross_attention: bool = False
    tie_word_embeddings: bool = True


class ViTConfig(ModelConfig):
    """The image encoder of the base and large models (arXiv 2010.11929)."""

    model_type = "vit"

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    image_size: int = 224
    patch_size: int = 16
    num_channels: int = 3
    qkv_bias: bool = True
    encoder_stride: int = 16
    pooler_output_size: int | None = None
    pooler_act: str = "tanh"


class DeiTConfig(ViTConfig):
    """The image encoder of the small models, with a distillation token (arXiv 2012.12877)."""

    model_type = "deit"


PIXELS_PER_TOKEN = 8  # of line width, in our own line encoder


class LineEncoderConfig(ModelConfig):
    """Our own line encoder: fixed height, width as it comes, a CTC head (``line_encoder``)."""

    model_type = "trocr_line"

    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-6
    image_height: int = 32
    max_image_width: int = 2048
    stem_channels: tuple[int, ...] = (32, 64, 128, 192)
    ctc_vocab_size: int = 100
    ctc_blank_token_id: int = 1
    ctc_frames_per_token: int = 2


ENCODER_CONFIGS: dict[str, type[ModelConfig]] = {
    config.model_type: config for config in (ViTConfig, DeiTConfig, LineEncoderConfig)
}


def encoder_config_from_dict(values: dict[str, Any]) -> ModelConfig:
    """The encoder configuration that ``values["model_type"]`` names.

    Raises:
        CheckpointError: an encoder type that is not supported.
    """
    model_type = values.get("model_type", "")
    if model_type not in ENCODER_CONFIGS:
        raise CheckpointError(
            f"Unsupported encoder type {model_type!r} in config.json.",
            f"Supported: {', '.join(sorted(ENCODER_CONFIGS))}.",
        )
    config: ModelConfig = ENCODER_CONFIGS[model_type].from_dict(values)
    return config


class VisionEncoderDecoderConfig(ModelConfig):
    """An image encoder and a text decoder; the ``config.json`` of every published checkpoint."""

    model_type = "vision-encoder-decoder"

    is_encoder_decoder: bool = True

    encoder: ModelConfig
    decoder: TrOCRConfig

    @property
    def has_line_encoder(self) -> bool:
        """Whether the encoder is our own, which no published checkpoint has."""
        return isinstance(self.encoder, LineEncoderConfig)

    def __init__(self, **values: Any) -> None:
        encoder, decoder = values.pop("encoder", None), values.pop("decoder", None)
        if encoder is None or decoder is None:
            raise CheckpointError(
                "A vision-encoder-decoder configuration needs both 'encoder' and 'decoder'.",
                "Check config.json.",
            )
        super().__init__(**values)
        self.encoder = encoder_config_from_dict(encoder) if isinstance(encoder, dict) else encoder
        self.decoder = TrOCRConfig.from_dict(decoder) if isinstance(decoder, dict) else decoder

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        keys = {k: getattr(cls, k, None) for k in ("is_encoder_decoder",)}
        return {**ModelConfig.defaults(), **keys}

    @classmethod
    def from_encoder_decoder_configs(
        cls, encoder_config: ModelConfig, decoder_config: TrOCRConfig, **values: Any
    ) -> VisionEncoderDecoderConfig:
        """Join two configurations; the decoder is made a cross-attending decoder."""
        decoder_config.is_decoder = True
        decoder_config.add_cross_attention = True
        return cls(encoder=encoder_config, decoder=decoder_config, **values)
