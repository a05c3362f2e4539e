"""The house rules that a machine can check: who imports whom, how long things get, and what torch is kept out of."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "models": {"models"},
    "tasks": {"tasks"},
    "leaderboard": {"leaderboard"},
    "benchmark": {"benchmark", "tasks", "models", "leaderboard"},
}
SOURCES = [path for room in MAY_IMPORT for path in sorted((TOP / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_imports_run_one_way(path: Path) -> None:
    room = path.relative_to(TOP).parts[0]
    assert imported(path) & set(MAY_IMPORT) <= MAY_IMPORT[room]
    if room == "leaderboard":
        assert "torch" not in imported(path)


@pytest.mark.parametrize("path", sorted((TOP / "leaderboard" / "statistics").glob("*.py")), ids=lambda path: path.name)
def test_statistics_know_no_tables_or_figures(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not any(room in text for room in ("leaderboard.reports", "leaderboard.comparison", "matplotlib", "rich"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_files_and_functions_fit_on_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_the_record_side_and_the_front_door_do_without_torch() -> None:
    """leaderboard/ works on a machine without torch, and --help and listings do not wait for it."""
    code = (
        "import sys; import leaderboard.reports.report, leaderboard.reports.tables, benchmark.cli; "
        "benchmark.cli.call(['--help']); benchmark.cli.call(['tasks']); "
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=TOP, capture_output=True)
