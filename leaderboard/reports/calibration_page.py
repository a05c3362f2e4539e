"""The calibration as one page, which asks the network for nothing, and its files."""

from collections.abc import Mapping
from pathlib import Path

from leaderboard.calibration import HEADER, Calibration, blocked, by_measure, row, summary
from leaderboard.record import write_atomically
from leaderboard.reports.calibration_plots import CAPTIONS, draw
from leaderboard.reports.page import inline, template
from leaderboard.reports.plots import render
from leaderboard.reports.tables import escaped, pipes


def calibration_page(calibration: Calibration, drawings: Mapping[str, bytes]) -> str:
    """index.html; `drawings` are SVG files by what they show."""
    figures = {name: inline(svg) for name, svg in drawings.items()}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(calibration.versions.items()))
    return template("calibration.html").render(
        title="Calibration" + " (reduced)" * calibration.reduced,
        summary=summary(calibration),
        blocked=blocked(calibration),
        header=HEADER,
        measures=[
            (measure, [row(check) for check in checks], figures.get(measure), CAPTIONS.get(measure, ""))
            for measure, checks in by_measure(calibration.checks).items()
        ],
        coverage=figures.get("coverage"),
        facts=[
            ("protocol", f"revision {calibration.revision}"),
            ("code", f"commit {calibration.commit}" if calibration.commit else "commit unknown"),
            ("versions", versions),
            ("time", f"{calibration.seconds:.0f} s"),
        ],
    )  # fmt: skip


def markdown(calibration: Calibration) -> str:
    """calibration.md: a table for each measure."""
    about = f"Protocol revision {calibration.revision}{', reduced' * calibration.reduced}. {summary(calibration)}."
    parts = ["# Calibration", about]
    parts += [f"- {measure} is blocked: {escaped(reason)}" for measure, reason in blocked(calibration).items()]
    for measure, checks in by_measure(calibration.checks).items():
        parts += [f"## {measure}", pipes(HEADER, [row(check) for check in checks], names=len(HEADER))]
    return "\n\n".join(parts) + "\n"


def write_calibration(calibration: Calibration, folder: Path) -> list[Path]:
    """Write calibration.json, calibration.md, index.html and a PNG for each figure; returns the paths.

    A figure of an earlier calibration that no longer applies is removed.
    """
    figures = draw(calibration)
    drawings = {name: render(figure, "svg") for name, figure in figures.items()}
    files = {
        "calibration.json": (calibration.model_dump_json(indent=1) + "\n").encode(),
        "calibration.md": markdown(calibration).encode(),
        "index.html": calibration_page(calibration, drawings).encode(),
    } | {f"{name}.png": render(figure, "png") for name, figure in figures.items()}
    for name in {*CAPTIONS, "coverage"} - figures.keys():
        (folder / f"{name}.png").unlink(missing_ok=True)
    for name, data in files.items():
        write_atomically(folder / name, data)
    return [folder / name for name in files]
