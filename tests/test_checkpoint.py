"""Checkpoint folders: what transformers writes loads here, what we write loads there, and every
bad one is a single clear error."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from pathlib import Path

import pytest
import torch
import transformers
from reference_models import VARIANTS, images, pair, tokens
from safetensors.torch import load_file, save_file

from trocr import pretrained
from trocr.checkpoint import KeyTable, parse_size, read_tensors, write_tensors
from trocr.config import (
    LineEncoderConfig,
    TrOCRConfig,
    VisionEncoderDecoderConfig,
)
from trocr.decoder import TrOCRForCausalLM
from trocr.encoder import DeiTModel, ViTModel
from trocr.errors import CheckpointError, UsageError
from trocr.model import VisionEncoderDecoderModel

TIED_PAIR = (
    "decoder.output_projection.weight",
    "decoder.model.decoder.embed_tokens.weight",
)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of a good checkpoint, to be spoilt."""
    return Path(shutil.copytree(pair("vit").folder, tmp_path / "checkpoint"))


@torch.no_grad()
def logits(model) -> torch.Tensor:
    return model(pixel_values=images(), decoder_input_ids=tokens()).logits


def load(folder: Path) -> VisionEncoderDecoderModel:
    return VisionEncoderDecoderModel.from_pretrained(folder)


def edit(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("safe", [True, False])
def test_others_may_read_what_we_save_as_far_as_the_umask_lets_them(tmp_path, safe: bool) -> None:
    (tmp_path / "plain").touch()
    folder = tmp_path / "saved"
    pair("vit").ours.save_pretrained(folder, safe_serialization=safe)
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert modes == {(tmp_path / "plain").stat().st_mode}


# --- both ways ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(VARIANTS))
def test_what_we_save_transformers_loads(name: str, tmp_path) -> None:
    models = pair(name)
    models.ours.save_pretrained(tmp_path)
    theirs, info = transformers.VisionEncoderDecoderModel.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert {k for k in info["missing_keys"] if "pooler" not in k} == set()
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    if name != "vit-sinusoidal":  # theirs cannot run after from_pretrained (seen in 5.23)
        torch.testing.assert_close(logits(theirs), logits(models.theirs), rtol=0, atol=1e-5)
    original, saved = (read_tensors(f) for f in (models.folder, tmp_path))
    assert saved.keys() == {k for k in original if "pooler" not in k}
    assert all(torch.equal(saved[k], original[k]) for k in saved)
    assert torch.equal(logits(load(tmp_path)), logits(models.ours))


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_good_checkpoint_loads_in_silence(name: str, capfd, caplog) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(pair(name).folder)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not model.training
    assert not any(t.is_meta for t in (*model.parameters(), *model.buffers()))


def test_shards_of_transformers(tmp_path) -> None:
    models = pair("deit-small")
    models.theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert torch.equal(logits(load(tmp_path)), logits(models.ours))


@pytest.mark.parametrize("safe", [True, False])
def test_our_shards(safe: bool, tmp_path) -> None:
    models = pair("vit")
    models.ours.save_pretrained(tmp_path, max_shard_size="20KB", safe_serialization=safe)
    files = [*tmp_path.glob("model-*-of-*"), *tmp_path.glob("pytorch_model-*-of-*")]
    assert len(files) > 2
    assert all(file.stat().st_size < 26_000 for file in files)
    assert torch.equal(logits(load(tmp_path)), logits(models.ours))
    theirs = transformers.VisionEncoderDecoderModel.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(theirs), logits(models.theirs), rtol=0, atol=1e-5)


def test_a_file_of_transformers_4(folder) -> None:
    """A pickle with both tied names, a pooler, position ids and the sinusoids' dummy buffer."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    tensors[TIED_PAIR[0]] = tensors[TIED_PAIR[1]]
    tensors["decoder.model.decoder.embed_positions._float_tensor"] = torch.zeros(1)
    tensors["encoder.embeddings.position_ids"] = torch.arange(4)
    assert "encoder.pooler.dense.weight" in tensors
    torch.save(tensors, folder / "pytorch_model.bin")
    model = load(folder)
    assert torch.equal(logits(model), logits(pair("vit").ours))
    assert model.decoder.output_projection.weight is model.decoder.get_input_embeddings().weight


def test_the_tied_tensor_may_have_either_name(folder) -> None:
    edit(folder, lambda t: t.update({TIED_PAIR[0]: t.pop(TIED_PAIR[1])}))
    assert torch.equal(logits(load(folder)), logits(pair("vit").ours))


def test_tied_names_with_two_contents_stay_two(folder, tmp_path) -> None:
    edit(folder, lambda t: t.update({TIED_PAIR[0]: torch.ones_like(t[TIED_PAIR[1]])}))
    model = load(folder)
    assert not model.config.decoder.tie_word_embeddings
    assert bool((model.decoder.output_projection.weight == 1).all())
    model.save_pretrained(tmp_path / "again")
    assert torch.equal(logits(load(tmp_path / "again")), logits(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files(dtype: torch.dtype, tmp_path) -> None:
    model = VisionEncoderDecoderModel.from_pretrained(pair("vit").folder, dtype=dtype)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == str(dtype)[6:]
    assert load(tmp_path).dtype == torch.float32
    again = VisionEncoderDecoderModel.from_pretrained(tmp_path, torch_dtype="auto")
    assert again.dtype == dtype
    assert again(images(), tokens()).logits.dtype == dtype
    name = str(dtype).removeprefix("torch.")
    assert VisionEncoderDecoderModel.from_pretrained(tmp_path, dtype=name).dtype == dtype


def test_a_model_saves_over_the_files_it_came_from(folder) -> None:
    model = load(folder)
    before = logits(model)
    for options in ({}, {"max_shard_size": "20KB"}, {"safe_serialization": False}, {}):
        model.save_pretrained(folder, **options)
        assert torch.equal(logits(model), before)
        assert torch.equal(logits(load(folder)), before)
    weights = {p.name for p in folder.iterdir() if "model" in p.name}
    assert weights == {"model.safetensors"}


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (ViTModel, transformers.ViTModel, "vit"),
        (DeiTModel, transformers.DeiTModel, "deit-small"),
        (TrOCRForCausalLM, transformers.TrOCRForCausalLM, "vit"),
    ],
)
@torch.no_grad()
def test_each_half_has_its_own_folder(ours, theirs, name: str, tmp_path) -> None:
    half = "decoder" if ours is TrOCRForCausalLM else "encoder"
    reference = getattr(pair(name).theirs, half)
    reference.save_pretrained(tmp_path / "theirs")
    model = ours.from_pretrained(tmp_path / "theirs")
    model.save_pretrained(tmp_path / "ours")
    argument = tokens() if half == "decoder" else images()
    want = reference(argument)[0]
    for result in (model, theirs.from_pretrained(tmp_path / "ours").eval()):
        torch.testing.assert_close(result(argument)[0], want, rtol=0, atol=1e-5)


def test_two_folders_join_into_one_model(tmp_path) -> None:
    models = pair("projected")
    models.theirs.encoder.save_pretrained(tmp_path / "encoder")
    models.ours.decoder.save_pretrained(tmp_path / "decoder")
    joined = VisionEncoderDecoderModel.from_encoder_decoder_pretrained(
        tmp_path / "encoder", tmp_path / "decoder"
    )
    joined.enc_to_dec_proj.load_state_dict(models.ours.enc_to_dec_proj.state_dict())
    assert torch.equal(logits(joined), logits(models.ours))
    with pytest.raises(CheckpointError, match="no published encoder"):
        VisionEncoderDecoderModel.from_encoder_decoder_pretrained(
            tmp_path / "decoder", tmp_path / "decoder"
        )


@torch.no_grad()
def test_our_own_line_model_survives(tmp_path) -> None:
    encoder = LineEncoderConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        stem_channels=(4, 4, 8, 8),
        ctc_vocab_size=12,
    )
    decoder = TrOCRConfig(
        vocab_size=12,
        d_model=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        max_position_embeddings=10,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = VisionEncoderDecoderModel(config).eval()
    model.save_pretrained(tmp_path)
    again = load(tmp_path)
    pixel_values, mask = torch.rand(2, 1, 32, 64), torch.ones(2, 64)
    mask[1, 32:] = 0
    inputs = {"pixel_values": pixel_values, "pixel_mask": mask}
    ours, theirs = (m(decoder_input_ids=tokens(2, 4, 12), **inputs) for m in (model, again))
    assert torch.equal(ours.logits, theirs.logits)
    assert theirs.ctc_logits.shape == (2, 16, 12)
    alone = again(pixel_values[1:, ..., :32], decoder_input_ids=tokens(2, 4, 12)[1:])
    torch.testing.assert_close(alone.logits, ours.logits[1:], rtol=0, atol=1e-5)
    assert again.generate(**inputs, num_beams=2).shape[0] == 2


# --- bad checkpoints ---------------------------------------------------------------------------


def test_all_misfits_are_one_error_that_names_them(folder) -> None:
    def spoil(tensors) -> None:
        for index in range(2):
            for name in ("query", "key", "value"):
                tensors.pop(f"encoder.encoder.layer.{index}.attention.attention.{name}.weight")
        tensors["decoder.surprise"] = torch.zeros(1)
        tensors["encoder.embeddings.cls_token"] = torch.zeros(1, 1, 7)

    edit(folder, spoil)
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    message = str(caught.value)
    assert "encoder.encoder.layer.0.attention.attention.key.weight" in message
    assert "and 2 more missing" in message
    assert "decoder.surprise unexpected" in message
    assert "encoder.embeddings.cls_token (file (1, 1, 7), model (1, 1, 32))" in message


def test_both_tied_names_missing(folder) -> None:
    edit(folder, lambda t: t.pop(TIED_PAIR[1]))
    with pytest.raises(CheckpointError, match="embed_tokens"):
        load(folder)


def test_whole_numbers_where_weights_belong(folder) -> None:
    name = "encoder.layernorm.weight"
    edit(folder, lambda t: t.update({name: torch.ones(32, dtype=torch.int64)}))
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_a_hostile_pickle_does_not_run(folder) -> None:
    victim = folder / "victim"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (victim,)

    (folder / "model.safetensors").unlink()
    for save in (
        lambda path: torch.save({"x": Hostile()}, path),
        lambda path: path.write_bytes(pickle.dumps({"x": Hostile()}, protocol=2)),
    ):
        save(folder / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match="more than tensors"):
            load(folder)
        assert not victim.exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, torch.zeros(1)])
def test_a_pickle_of_something_else(content: object, folder) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="not a table of tensors"):
        load(folder)


@pytest.mark.parametrize("keep", [0, 4, 200, 20_000])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_cut_short(name: str, keep: int, folder) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    path = folder / name
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"corrupt"):
        load(folder)


def test_no_weights_and_no_folder(folder) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="No model weights"):
        load(folder)
    with pytest.raises(CheckpointError):
        load(folder / "nowhere" / "at" / "all")
    with pytest.raises(CheckpointError):
        load(folder / "config.json")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"No config\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ('{"weight_map": {"a": "absent.safetensors"}}', "missing"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "outside"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "outside"),
        ('{"weight_map": {"a": ".."}}', "outside"),
        ('{"weight_map": {"a": 7}}', "outside"),
        ('{"weight_map": []}', "not an index"),
        ('{"weight_map"', "not an index"),
        ("[]", "not an index"),
    ],
)
def test_a_bad_index(index: str, message: str, folder) -> None:
    (folder / "model.safetensors").rename(folder.parent / "secret.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"num_attention_heads": 5},
        {"hidden_size": "wide"},
        {"hidden_size": -4},
        {"patch_size": 0},
        {"hidden_act": "jump"},
        {"model_type": ["vit"]},
    ],
)
def test_a_config_that_makes_no_sense(change: dict, folder) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["encoder"].update(change)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(folder)


def test_an_unknown_dtype(folder) -> None:
    for name in ("int8", "wide"):
        with pytest.raises(UsageError, match=name):
            VisionEncoderDecoderModel.from_pretrained(folder, dtype=name)


# --- parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_key_table_can_be_inverted(name: str) -> None:
    models = pair(name)
    table = models.ours.key_table()
    published = {table.to_published(k) for k in models.ours.state_dict()}
    assert {table.to_ours(k) for k in published} == set(models.ours.state_dict())
    assert len(published) == len(models.ours.state_dict())
    assert read_tensors(models.folder).keys() - published <= {
        "encoder.pooler.dense.weight",
        "encoder.pooler.dense.bias",
    }


def test_the_key_table_renames_whole_names_only() -> None:
    table = KeyTable((("layers.{n}.fc1", "layer.{n}.dense"),))
    assert table.to_published("layers.10.fc1.weight") == "layer.10.dense.weight"
    assert table.to_ours("layer.10.dense.weight") == "layers.10.fc1.weight"
    for key in ("layers.10.fc12.weight", "x.layers.1.fc1", "layers.x.fc1"):
        assert table.to_published(key) == key


@pytest.mark.parametrize(
    ("size", "count"), [(7, 7), ("5GB", 5 * 10**9), ("1.5 MiB", 3 * 2**19), ("2kb", 2000)]
)
def test_sizes(size: int | str, count: int) -> None:
    assert parse_size(size) == count


@pytest.mark.parametrize("size", ["", "GB", "-1GB", "0", 0, "5 parsecs"])
def test_sizes_that_are_none(size: int | str) -> None:
    with pytest.raises(UsageError, match="size"):
        parse_size(size)


def test_a_tensor_larger_than_a_shard_gets_its_own(tmp_path) -> None:
    tensors = {name: torch.full((100,), float(i)) for i, name in enumerate("abc")}
    write_tensors(tmp_path, tensors, max_shard_size=10)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    again = read_tensors(tmp_path)
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_saving_onto_a_file(folder) -> None:
    with pytest.raises(UsageError, match="is a file"):
        pair("vit").ours.save_pretrained(folder / "config.json")


def test_a_hub_id_is_resolved_with_every_option(monkeypatch) -> None:
    calls = []

    def resolve(name: str, **options) -> Path:
        calls.append((name, options))
        return pair("vit").folder

    monkeypatch.setattr(pretrained, "resolve_folder", resolve)
    options = {
        "cache_dir": "cache",
        "force_download": True,
        "local_files_only": False,
        "token": "secret",
        "revision": "v2",
    }
    VisionEncoderDecoderModel.from_pretrained("microsoft/trocr-tiny", **options)
    assert calls == [("microsoft/trocr-tiny", options)]


def test_push_to_hub_uploads_what_save_writes(monkeypatch, tmp_path) -> None:
    uploads = []

    def upload(folder, repo_id: str, **options) -> str:
        uploads.append((repo_id, sorted(p.name for p in Path(folder).iterdir()), options))
        return f"me/{repo_id}"

    monkeypatch.setattr(pretrained, "upload_folder", upload)
    model = pair("vit").ours
    assert model.push_to_hub("lines", token="t", private=True) == "me/lines"
    model.save_pretrained(tmp_path / "mine", push_to_hub=True)
    files = ["config.json", "generation_config.json", "model.safetensors"]
    assert [upload[:2] for upload in uploads] == [("lines", files), ("mine", files)]
    assert uploads[0][2]["private"] is True
