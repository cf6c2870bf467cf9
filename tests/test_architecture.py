"""Imports point down: no module knows one above its level, and no two know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

# From the bottom up; the name of a package stands for all that is in it.
LEVELS = (
    "errors cores config generation_config metrics bidi batch labelled_lines line_pages"
    " sentencepiece_model document",
    "image pages ink line_image image_processor tokenizer_files tokenizer hub bundled outputs"
    " special_tokens devices line_result int8_weights checkpoint positions kv_cache attention"
    " quantization_config bitsandbytes_layers layer_stack pretrained encoder line_encoder ctc"
    " draft_head",
    "processor decoding generation engine decoder model exported drafts hybrid flow confidence",
    "align ahead reporter reading recognizer layout",
    "stream writers readers pipeline line_sets corrections",
    "training evaluation optimize bench publishing serving distribution client ocrmypdf",
    "cli __main__",
)
RINGS = {
    "training",
    "evaluation",
    "optimize",
    "bench",
    "publishing",
    "serving",
    "distribution",
}  # never import each other
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names.split()}
WITHOUT_TORCH = {*LEVELS[0].split(), "image", "pages", "ink", "line_image", "image_processor"}
WITHOUT_TORCH |= {
    "tokenizer_files",
    "tokenizer",
    "special_tokens",
    "hub",
    "bundled",
    "processor",
    "cli",
    "line_result",
    "client",
    "__main__",
}
WITHOUT_TORCH |= {"layout", "writers", "readers", "line_sets", "ocrmypdf"}

SOURCE = Path(__file__).parent.parent / "src" / "trocr"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
    if path != SOURCE / "__init__.py"  # the lazy surface: names, no imports
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def part(name: str) -> str:
    """The entry of the table that a module belongs to."""
    return name.split(".")[0]


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when a module is imported: nothing in functions, nothing for type checkers."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def imported(name: str, nodes: Iterator[ast.AST]) -> set[str]:
    """Modules that import statements name: ours without ``trocr.``, others by their top name."""
    inside = ("trocr." + name).split(".")
    package = inside if FILES[name].name == "__init__.py" else inside[:-1]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{source}.{alias.name}" for alias in node.names}
    return {shortened(full) for full in found}


def shortened(full: str) -> str:
    """``trocr.config.TrOCRConfig`` is ``config``; ``torch.nn`` is ``torch``."""
    ours = full.removeprefix("trocr.")
    if ours == full:
        name = part(full)
        return f"other {name}" if name in FILES else name
    return ours if ours in FILES else ours.rpartition(".")[0]


EVERYWHERE = {name: imported(name, ast.walk(tree)) for name, tree in TREES.items()}
AT_IMPORT = {name: imported(name, at_import(tree)) for name, tree in TREES.items()}


def test_the_table_names_every_module_once() -> None:
    assert sorted(" ".join(LEVELS).split()) == sorted({part(name) for name in FILES})


def test_imports_point_down() -> None:
    for name, others in EVERYWHERE.items():
        known = {part(other) for other in others & FILES.keys()}
        above = {other for other in known if LEVEL_OF[other] > LEVEL_OF[part(name)]}
        assert not above, f"{name} imports from a higher level"
        assert part(name) not in RINGS or not (known & RINGS - {part(name)}), f"{name}: rings"


def test_only_the_start_of_a_server_knows_both_its_halves() -> None:
    def knows(half: str) -> set[str]:
        inside = {name for name in FILES if name.startswith(f"serving.{half}.")}
        return {name for name, others in EVERYWHERE.items() if others & inside} - inside

    assert knows("workers") & set(FILES) == {"serving.http.server"}
    assert not any(name.startswith("serving.workers") for name in knows("http"))


def test_there_is_no_circle_at_import() -> None:
    list(TopologicalSorter(AT_IMPORT).static_order())


def test_torch_stays_where_tensors_are() -> None:
    def brought_in(name: str) -> set[str]:
        others = AT_IMPORT.get(name, set())
        return others.union(*(brought_in(other) for other in others))

    guilty = {name for name in FILES if part(name) in WITHOUT_TORCH and "torch" in brought_in(name)}
    assert not guilty


def test_the_reference_is_not_used() -> None:
    assert not {name for name, others in EVERYWHERE.items() if "transformers" in others}


def test_nothing_reads_the_environment_at_import() -> None:
    for name, tree in TREES.items():
        read = {ast.unparse(node) for node in at_import(tree) if isinstance(node, ast.Attribute)}
        assert part(name) == "cli" or not read & {"os.environ", "os.getenv"}, name
