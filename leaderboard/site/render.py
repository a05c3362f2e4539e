"""`spanbench leaderboard render`: the whole site, written beside its place and then put there."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from leaderboard.ranking.attestation import ATTESTATIONS
from leaderboard.ranking.entrants import Entrant
from leaderboard.site.pages import site_files

ASSETS = Path(__file__).parent / "assets"
MARKER = "spanbench-site.txt"
MARKED = b"Made by spanbench leaderboard render, which replaces this folder as a whole.\n"


def render_site(entrants: Sequence[Entrant], output: Path, attestations: Path = ATTESTATIONS) -> list[Path]:
    """Write a static site to `output`; return its files. The same entrants give the same bytes, in any order.

    Nothing is left half done: the site is written into a folder beside `output`, which then takes its place. Raises
    ValueError where `output` is something else than a site made before or an empty folder.
    """
    output = output.resolve()
    _refuse(output)
    files = site_files(entrants, attestations) | _assets() | {MARKER: MARKED}
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh, stale = (output.with_name(f".{output.name}.{word}.{os.getpid()}") for word in ("new", "old"))
    try:
        for name, data in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if output.exists():
            output.rename(stale)
        fresh.rename(output)
    finally:
        if stale.exists() and not output.exists():
            stale.rename(output)
        for left in (fresh, stale):
            shutil.rmtree(left, ignore_errors=True)
    return [output / name for name in sorted(files)]


def _refuse(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise ValueError(f"{output}: expected a folder for the site, this is a file")
    marker = output / MARKER
    ours = marker.is_file() and marker.read_bytes() == MARKED
    if not ours and any(output.iterdir()):
        raise ValueError(f"{output}: not empty, and not a site made before: choose another folder, or empty this one")


def _assets() -> dict[str, bytes]:
    """Styles, scripts and what is vendored, with its licences."""
    found = sorted(path for path in ASSETS.rglob("*") if path.is_file())
    return {f"assets/{path.relative_to(ASSETS).as_posix()}": path.read_bytes() for path in found}
