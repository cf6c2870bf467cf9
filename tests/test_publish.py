"""``trocr publish``: what a hub gets, loaded by us and by ``transformers``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from line_models import CHARACTERS, save_tiny_model, text_picture
from PIL import Image
from reference_models import IMAGE_SIZE, Variant, randomise, reference_config
from tokenizers.pre_tokenizers import ByteLevel

from trocr.bundled import bundled_folder
from trocr.checkpoint import read_tensors, write_tensors
from trocr.cli import main
from trocr.confidence import Calibration
from trocr.draft_head import DraftHead, DraftHeadConfig
from trocr.engine.stored import store_int8
from trocr.errors import DataError, UsageError
from trocr.int8_weights import to_int8
from trocr.publishing import read_scores
from trocr.recognizer import load

LONGEST = 30  # tokens; transformers stops after 20 where a folder says nothing
SCORES = {"data": "sets/letters.tar.gz", "model": "vit", "protocol": "cer", "normalization": "none"}
SCORES |= {"n": 1250, "cer": 2.6676, "wer": 12.4481, "exact_match": 44.0, "f1": 89.0756}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            main(["publish", *map(str, arguments)])
        except SystemExit as end:
            captured = capsys.readouterr()
            return int(end.code or 0), captured.out, captured.err
        raise AssertionError("the command line always exits")

    return run


def published(folder: Path, kind: type = transformers.ViTConfig) -> Path:
    """A folder that ``transformers`` wrote, which says nothing about the length of texts."""
    folder.mkdir()
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    transformers.TrOCRProcessor(
        transformers.ViTImageProcessor(size=size),
        transformers.RobertaTokenizer.from_pretrained(folder),
    ).save_pretrained(folder)
    decoder = {"vocab_size": len(words), "max_position_embeddings": LONGEST}
    config = reference_config(Variant(kind, decoder=decoder))
    randomise(transformers.VisionEncoderDecoderModel(config)).save_pretrained(folder)
    return folder


def stored(folder: Path, how: str) -> None:
    tensors = read_tensors(folder)
    if how == "int8":
        write_tensors(folder, to_int8(tensors))
    elif how == "pickle":
        write_tensors(folder, tensors, safe_serialization=False)
    elif how == "bfloat16":
        write_tensors(folder, {name: tensor.bfloat16() for name, tensor in tensors.items()})


def pictures() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (3, 20, 60, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in noise]


def texts_of_transformers(folder: Path) -> list[str]:
    processor = transformers.TrOCRProcessor.from_pretrained(folder)
    model = transformers.VisionEncoderDecoderModel.from_pretrained(folder, dtype="float32").eval()
    pixels = processor(pictures(), return_tensors="pt").pixel_values
    return list(processor.batch_decode(model.generate(pixels), skip_special_tokens=True))


def our_texts(folder: Path) -> list[str]:
    reader = load(folder, "cpu", "float32")
    pixels = reader.processor(pictures(), return_tensors="pt").pixel_values
    return reader.processor.batch_decode(reader.model.generate(pixels), skip_special_tokens=True)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (transformers.ViTConfig, "float32"),
        (transformers.ViTConfig, "pickle"),
        (transformers.ViTConfig, "bfloat16"),
        (transformers.DeiTConfig, "int8"),
    ],
)
def test_transformers_reads_what_we_read(run: Run, tmp_path: Path, kind: type, how: str) -> None:
    folder = published(tmp_path / "vit", kind)
    stored(folder, how)
    expected = our_texts(folder)
    assert run("vit", "-o", "out", "--license", "mit")[0] == 0
    out = tmp_path / "out"
    assert our_texts(out) == expected == texts_of_transformers(out)
    assert max(map(len, expected)) > 20
    dtypes = {tensor.dtype for tensor in read_tensors(out).values()}
    assert dtypes == {torch.bfloat16 if how == "bfloat16" else torch.float32}
    assert not list(out.glob("*.bin"))


def test_a_line_model_stays_as_it_is_stored(run: Run, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    stored(folder, "int8")
    before = (folder / "model.safetensors").read_bytes()
    code, out, err = run("tiny", "-o", "out", "--license", "mit", "--summary", "Reads bars.")
    assert (code, out.splitlines()[-1]) == (0, "out")
    assert "text of the licence is missing" in err
    assert (tmp_path / "out/model.safetensors").read_bytes() == before
    line = [text_picture("12 ABC")]
    assert load(tmp_path / "out").read_lines(line) == load(folder).read_lines(line)
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.to_dict() == {
        "library_name": "trocr", "license": "mit", "pipeline_tag": "image-to-text",
        "tags": ["trocr", "ocr"],
    }  # fmt: skip
    assert "Reads bars." in card.text
    assert f"<code>{''.join(sorted(CHARACTERS))}</code>" in card.text
    assert "from transformers" not in card.text


def test_only_what_loading_needs_travels(run: Run, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "tiny")
    for name in ("training.pt", "optimizer.bin", "labels.pkl", "training.toml", "notes.txt"):
        (folder / name).write_bytes(b"secret")
    fitted = [{"data": "/home/me/private/letters", "n": 3}]
    Calibration(0.1, {"decoder": 0.5}, 3, fitted).save(folder)
    store_int8(folder, ("decoder",), {})
    (folder / "LICENSE.txt").write_text("Do what you like.")
    assert run("tiny", "-o", "out", "--license", "mit")[0] == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "LICENSE", "README.md", "calibration.json", "config.json", "generation_config.json",
        "inference.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert (out / "LICENSE").read_text() == "Do what you like."
    assert not [path for path in out.iterdir() if b"private" in path.read_bytes()]
    assert json.loads((out / "calibration.json").read_text())["fitted_on"][0]["data"] == "letters"
    assert "confidence was fitted" in (out / "README.md").read_text()


def test_a_draft_head_travels(run: Run, tmp_path: Path) -> None:
    folder = published(tmp_path / "vit")
    config = DraftHeadConfig("abc", encoder_width=32, rows=4, columns=4, hidden_size=16)
    DraftHead(config).save(folder, {})
    assert run("vit", "-o", "out", "--license", "mit")[0] == 0
    assert load(tmp_path / "out", "cpu").drafter is not None


def test_the_card_of_a_published_architecture(run: Run, tmp_path: Path) -> None:
    published(tmp_path / "vit")
    interval = {"intervals": {"cer": [1.42, 4.03]}}
    Path("scores.json").write_text(json.dumps({**SCORES, **interval}))
    Path("text").write_text("The licence.")
    code, _, err = run(
        "vit", "-o", "out", "--license", "cc-by-4.0", "--license-file", "text",
        "--language", "en, fr", "--dataset", "me/letters", "--tag", "htr",
        "--scores", "scores.json",
    )  # fmt: skip
    assert (code, "licence" in err) == (0, False)
    card = ModelCard.load(tmp_path / "out/README.md")
    data = card.data.to_dict()
    [index] = data.pop("model-index")
    assert data == {
        "datasets": ["me/letters"], "language": ["en", "fr"], "library_name": "transformers",
        "license": "cc-by-4.0", "metrics": ["cer", "wer"], "pipeline_tag": "image-to-text",
        "tags": ["trocr", "ocr", "htr"],
    }  # fmt: skip
    assert index["name"] == "out"
    [result] = index["results"]
    assert result["dataset"]["name"] == "letters"
    assert {each["type"]: each["value"] for each in result["metrics"]} == {
        "cer": 2.67,
        "wer": 12.45,
    }
    assert "| letters | 1,250 | 2.67 (1.42–4.03) | 12.45 | 44.0 | cer, as they are |" in card.text
    assert "Learnt from: me/letters." in card.text
    assert "from transformers import TrOCRProcessor" in card.text
    compile(card.text.split("```python\n")[2].split("```")[0], "card", "exec")


def test_a_card_of_its_own_is_kept(run: Run, tmp_path: Path) -> None:
    assert run("printed", "-o", "out", "--tag", "mine")[0] == 0
    theirs = ModelCard.load(bundled_folder("printed") / "README.md")
    ours = ModelCard.load(tmp_path / "out/README.md")
    assert ours.text.strip() == theirs.text.strip()
    assert ours.data.license == "mit"
    assert ours.data.tags == [*theirs.data.tags, "trocr", "mine"]
    assert "MIT License" in (tmp_path / "out/LICENSE").read_text()


@pytest.mark.parametrize(
    ("model", "belongs"),
    [
        ("vit", True),
        ("./vit", True),
        ("work/vit", True),  # seen from the folder above
        ("elsewhere/vit", False),
        ("printed", False),
        ("/other/vit", False),
        ("microsoft/trocr-base-printed", False),
    ],
)
def test_scores_are_of_this_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, belongs: bool
) -> None:
    folder = tmp_path / "work/vit"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    Path("scores.json").write_text(json.dumps({**SCORES, "model": model}))
    if belongs:
        scores = read_scores(Path("scores.json"), Path("vit"))
        assert (scores.data, scores.n, scores.cer_interval) == ("letters", 1250, None)
    else:
        with pytest.raises(UsageError, match="holds the scores of"):
            read_scores(Path("scores.json"), folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "vit", "n": "many"}'])
def test_no_scores(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DataError, match="holds no scores"):
        read_scores(tmp_path / "scores.json", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiny", "-o", "out"], 2, "names no licence"),
        (["tiny", "--license", "mit"], 2, "no place"),
        (["tiny", "--license", "mit", "-o", "full"], 2, "is there already"),
        (["tiny", "--license", "mit", "-o", "out", "--license-file", "none"], 2, "no file none"),
        (["tiny", "--license", "mit", "--to", "name"], 2, "user/name"),
        (["nowhere", "--license", "mit", "-o", "out"], 4, "no model folder nowhere"),
        (["full", "--license", "mit", "-o", "out"], 4, "No config.json"),
        (["broken", "--license", "mit", "-o", "out"], 4, "No tokenizer"),
        (["damaged", "--license", "mit", "-o", "out"], 4, "calibration.json is damaged"),
        (["carded", "--license", "mit", "-o", "out"], 4, "README.md cannot be read"),
        (["exported", "--license", "mit", "-o", "out"], 2, "is an exported model"),
    ],
)
def test_refused(run: Run, arguments: list[str], code: int, message: str) -> None:
    for name in ("tiny", "broken", "damaged", "carded"):
        save_tiny_model(Path(name))
    Path("broken/tokenizer.json").unlink()
    Path("damaged/calibration.json").write_text("{}")
    Path("carded/README.md").write_text("---\nlicense: [\n---\n")
    for name, file in (("full", "notes.txt"), ("exported", "decoder.onnx")):
        Path(name).mkdir()
        Path(name, file).write_bytes(b"")
    result = run(*arguments)
    assert (result[0], message in result[2]) == (code, True), result
    assert not Path("out").exists()


def test_upload(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Api:
        def __init__(self, token: object) -> None:
            pass

        def create_repo(self, repo_id: str, **options: object) -> object:
            calls.append((repo_id, options))
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, **options: Any) -> None:
            calls.append({path.name for path in Path(options["folder_path"]).iterdir()})
            if options["repo_id"] == "me/refused":
                raise OSError("read only")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    save_tiny_model(tmp_path / "tiny")
    code, out, _ = run("tiny", "--to", "me/lines", "--license", "mit", "--private")
    assert (code, out.splitlines()[-1]) == (0, "https://huggingface.co/me/lines")
    assert calls[0] == ("me/lines", {"private": True, "exist_ok": True})
    assert {"README.md", "model.safetensors", "tokenizer.json"} <= calls[1]
    assert run("tiny", "-o", "out", "--to", "me/lines", "--license", "mit")[0] == 0
    assert 'trocr.load("me/lines")' in (tmp_path / "out/README.md").read_text()
    code, _, err = run("tiny", "--to", "me/refused", "--license", "mit")
    assert (code, "cannot be uploaded to me/refused: read only" in err) == (4, True)
