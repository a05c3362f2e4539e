"""Every clause of validation: one thing is wrong, and the finding says which file, which field, what was expected."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.cell import Part
from leaderboard.record import Record
from leaderboard.suite import Suite
from leaderboard.validation.validate import validate
from tests.benchmark.cells import TOP
from tests.leaderboard.boards import (
    ALL,
    edited,
    model_named,
    records_of,
    submission_of,
    suites,
    tiny_suite,
    write_submission,
)

SUITE = tiny_suite()
Change = Callable[[Any], None]


def findings(folder: Path, suite: Suite = SUITE) -> list[str]:
    return [finding.line() for finding in validate(folder, suites(suite)).findings]


def put(*path: str | int, value: Any) -> Change:
    """Set data[path] to `value`, or to what it makes of the value there."""

    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        old = data.get(path[-1]) if isinstance(data, dict) else data[path[-1]]
        data[path[-1]] = value(old) if callable(value) else value

    return change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_submission(tmp_path / "submissions", SUITE)


def test_a_submission_as_it_should_be_has_no_findings(folder: Path) -> None:
    assert findings(folder) == []


MAIN_CHANGES = [
    (put("extra", value=1), "extra: Extra inputs are not permitted"),
    (put("schema_version", value=2), "schema_version: Input should be 1"),
    (put("schema_version", value=True), "schema_version: expected a whole number, not a truth value"),
    (put("revision", value="1"), "revision: Input should be a valid integer"),
    (put("revision", value=9), "suite: expected a suite there is: no revision 9"),
    (put("suite", value="../../tiny"), "suite: String should match pattern"),
    (put("suite", value="*"), "suite: String should match pattern"),
    (put("suite", value="large"), "suite: expected a suite there is"),
    (put("id", value="gru-00000000"), "id: expected gru-"),
    (put("id", value="../gru"), "id: String should match pattern"),
    (put("name", value="Other"), "id: expected other-"),
    (put("name", value="<script>alert(1)</script>"), "name: String should match pattern"),
    (put("name", value="=HYPERLINK(1)"), "name: String should match pattern"),
    (put("name", value="Gr\u0443"), "name: String should match pattern"),
    (put("name", value="Gru "), "name: String should match pattern"),
    (put("name", value="G" * 41), "name: String should have at most 40 characters"),
    (put("name", value=""), "name: String should match pattern"),
    (put("contact", value="a@b.org,c@d.org"), "contact: String should match pattern"),
    (put("contact", value="a@b.org?bcc=x@y.org"), "contact: String should match pattern"),
    (put("contact", value=None), "contact: Input should be a valid string"),
    (put("link", value="http://example.org"), "link: String should match pattern"),
    (put("link", value="javascript:alert(1)"), "link: String should match pattern"),
    (put("link", value="data:text/html,x"), "link: String should match pattern"),
    (put("link", value="https://me:pw@example.org/"), "link: String should match pattern"),
    (put("link", value="https://ex\u0430mple.org/"), "link: String should match pattern"),
    (put("link", value='https://example.org/"onclick="x'), "link: String should match pattern"),
    (put("link", value="//example.org"), "link: String should match pattern"),
    (put("family", value="<b>"), "family: String should match pattern"),
    (put("date", value="2026-02-30"), "date: "),
    (put("date", value="yesterday"), "date: String should match pattern"),
    (put("commit", value="main; rm -rf /"), "commit: String should match pattern"),
    (put("argv", value=["x"] * 51), "argv: List should have at most 50 items"),
    (put("source", value="abc"), "source: String should match pattern"),
    (put("model", "class_path", value="os.system"), "model.class_path: expected models.MODULE.CLASS"),
    (put("model", "class_path", value="models..x.Y"), "model.class_path: expected models.MODULE.CLASS"),
    (put("model", "name", value="a b"), "model.name: expected letters"),
    (put("model", "source", value="ab" * 32), "model.class_path: expected models.MODULE.CLASS, or FILE.py:CLASS"),
    (put("model", "init_args", "dim", value=49), "id: expected gru-|cell.model.init_args.dim: expected 49, got 48"),
    (put("model", "init_args", value={"dim": 48, "a": [1]}), "model.init_args.a: expected a short name"),
    (put("model", "init_args", value={"dim": 48, "a b": 1}), "model.init_args.a b: expected a short name"),
    (put("weights", value={}), "weights."),
    (put("weights", value=lambda old: old | {"x": {"y": "ab" * 32}}), "weights.x: expected nothing"),
    (put("weights", value=lambda old: dict.fromkeys(old, next(iter(old.values())))), "weights"),
    (put("claims", value=list), "fine"),
    (put("claims", value=lambda old: old[:-1]), "claims: expected the cells of the suite, in its order"),
    (put("claims", value=lambda old: old[::-1]), "claims: expected the cells of the suite, in its order"),
    (put("claims", 0, "score", value=0.999), "claims.0: expected what the sums of retain-delayed_recall give"),
    (put("claims", 0, "score", value=None), "claims.0: expected what the sums"),
    (put("claims", 0, "seeds", 1, value=0.999), "claims.0: expected what the sums"),
    (put("claims", 0, "seeds", value=lambda old: [*old, 0.9]), "claims.0: expected what the sums"),
    (put("claims", 0, "seeds", 1, value=None), "claims.0: expected what the sums"),
]


@pytest.mark.parametrize(("change", "said"), MAIN_CHANGES)
def test_submission_json(folder: Path, change: Change, said: str) -> None:
    edited(folder / "submission.json", change)
    found = findings(folder)
    if said == "fine":
        assert found == []
    else:
        assert any(one in line for line in found for one in said.split("|")), found


LEARN, TEXT, RETAIN = "learn-planted-byte", "language-bpe-512", "retain-delayed_recall"
RECORD_CHANGES = [
    (LEARN, put("cell", value=TEXT), "cell: expected learn-planted-byte"),
    (LEARN, put("more", value=1), "more: Extra inputs are not permitted"),
    (LEARN, put("records", value=lambda old: old[:2]), "records: expected the seeds 101, 102, 103"),
    (LEARN, put("records", value=lambda old: old[::-1]), "records: expected the seeds 101, 102, 103"),
    (LEARN, put("records", value=lambda old: [*old, old[0]]), "records: expected the seeds 101, 102, 103"),
    (LEARN, put("records", 1, value=None), "records.1: Input should be an object"),
    (LEARN, put("records", 0, "score", value=1), "records.0.score: Extra inputs are not permitted"),
    (LEARN, put("records", 0, "cell", "seed", value=104), "records: expected the seeds"),
    (LEARN, put("records", 0, "id", value="0" * 16), "records.0.id: expected the digest of the cell"),
    (LEARN, put("records", 0, "cell", "lags", value=[16, 32]), "records.0.cell.lags: expected [16, 32, 64, 128, 256]"),
    (LEARN, put("records", 0, "cell", "budget", "sequences", value=64000), "cell.budget.sequences: expected 6400"),
    (LEARN, put("records", 0, "cell", "budget", "lr", value=0.1), "cells: expected one learning rate"),
    (LEARN, put("records", 0, "cell", "budget", "lr", value=7.0), "cell.budget.lr: expected 1e-06 to 1.0, got 7.0"),
    (LEARN, put("records", 0, "cell", "precision", value="bf16-true"), "cell.precision: expected 32-true"),
    (LEARN, put("records", 0, "cell", "task", "init_args", value={"values": 2}), "cell.task.init_args: expected {}"),
    (LEARN, put("records", 0, "cell", "corpus", "digest", value="cd" * 32), "cell.corpus.digest: expected abab"),
    (LEARN, put("records", 0, "cell", "model", "class_path", value="models.lstm.Lstm"), "cell.model.class_path"),
    (LEARN, put("records", 0, "facts", "tokenizer_digest", value="cd" * 32), "records.0.facts.tokenizer_digest"),
    (LEARN, put("records", 0, "facts", "bytes_per_token", value=0.5), "facts.bytes_per_token: expected 1.0, got 0.5"),
    (LEARN, put("records", 0, "facts", "chance", value=0.0), "facts.chance: expected 0.125, got 0.0"),
    (LEARN, put("records", 0, "facts", "metric", value="mse"), "facts.metric: expected accuracy, got mse"),
    (LEARN, put("records", 0, "facts", "splits", "test", "n_bytes", value=1), "facts.splits.test.n_bytes"),
    (LEARN, put("records", 0, "facts", "n_params_non_embedding", value=25_001), "expected 1 to 25000, got 25001"),
    (LEARN, put("records", 0, "facts", "n_params_non_embedding", value=0), "expected 1 to 25000, got 0"),
    (LEARN, put("records", 0, "facts", "n_params_non_embedding", value=9), "cells: expected one number of parameters"),
    (LEARN, put("records", 0, "facts", "n_params", value=10), "facts.n_params: expected more than the model's own"),
    (LEARN, put("records", 0, "facts", "flops_per_token", value=1e300), "facts.flops_per_token: expected at most"),
    (LEARN, put("records", 0, "facts", value=None), "records.0.facts: expected the task's facts"),
    (LEARN, put("records", 0, "curve", value=[]), "curve: expected the lags 16, 32"),
    (LEARN, put("records", 0, "curve", value=lambda old: old[1:]), "curve: expected the lags 16, 32"),
    (LEARN, put("records", 0, "curve", value=lambda old: old[::-1]), "curve: expected distinct lags, ascending"),
    (LEARN, put("records", 0, "curve", value=lambda old: [*old, old[-1]]), "curve: expected distinct lags"),
    (LEARN, put("records", 0, "curve", 0, "lag", value=15), "curve: expected distinct lags, ascending, out of 16"),
    (LEARN, put("records", 0, "curve", 0, "n", value=255), "curve.0.n: expected 256, got 255"),
    (LEARN, put("records", 0, "curve", 0, "total", value=257.0), "curve.0.total: expected a whole number"),
    (LEARN, put("records", 0, "curve", 0, "total", value=200.5), "curve.0.total: expected a whole number"),
    (LEARN, put("records", 0, "curve", 0, "total", value=-1.0), "curve.0.total: Input should be greater than"),
    (LEARN, put("records", 0, "curve", 0, "total", value=1e308), "curve.0.total: expected a whole number"),
    (LEARN, put("records", 0, "curve", 0, "lag_tokens", value=lambda old: old - 1), "curve.0.lag_tokens: expected"),
    (LEARN, put("records", 0, "curve", 0, "sequences", value=6401), "curve.0.sequences: expected a multiple of 800"),
    (LEARN, put("records", 0, "curve", 0, "sequences", value=7200), "curve.0.sequences: expected a multiple of 800"),
    (LEARN, put("records", 0, "curve", 0, "solved", value=None), "curve.0.solved: expected true where"),
    (LEARN, put("records", 0, "curve", 0, "total", value=lambda old: old - 9), "claims.1: expected what the sums"),
    (LEARN, put("records", 0, "status", value="failed"), "records.0.reason: expected a reason"),
    (LEARN, put("records", 0, "reason", value="all is well"), "records.0.reason: expected a reason where"),
    (
        LEARN,
        put("records", 0, "losses", value=[{"context": 8, "nats": [], "n_tokens": 1, "context_tokens": 1}]),
        "none",
    ),
    (LEARN, put("records", 0, "host", "finished", value="now"), "records.0.host.finished: expected a time in UTC"),
    (LEARN, put("records", 0, "host", "commit", value="HEAD"), "records.0.host.commit: expected 40 hex digits"),
    (LEARN, put("records", 0, "host", "seconds", value=1e300), "records.0.host: expected at most"),
    (LEARN, put("records", 0, "gradient", value={"documents": [], "curve": []}), "records.0.gradient: expected null"),
    (LEARN, put("records", 0, "skipped", value=[{"measure": "audit", "reason": ""}]), "records.0.skipped: expected"),
    (RETAIN, put("records", 0, "curve", value=lambda old: old[:-1]), "curve: expected the lags 16, 23"),
    (RETAIN, put("records", 0, "curve", 0, "solved", value=True), "curve.0.sequences: expected null"),
    (TEXT, put("records", 0, "blocks", value=None), "records.0: Value error|losses must have as many nats"),
    (TEXT, put("records", 0, "blocks", "n_bytes", 0, value=64), "records.0.blocks: expected the suite's own"),
    (TEXT, put("records", 0, "losses", value=lambda old: old[1:]), "records.0.losses: expected the contexts 4, 8"),
    (TEXT, put("records", 0, "losses", value=lambda old: [*old, old[0]]), "losses: expected each context once"),
    (TEXT, put("records", 0, "losses", 0, "context", value=5), "losses.0: expected one of the contexts"),
    (TEXT, put("records", 0, "losses", 0, "nats", 0, value=None), "losses.0.nats: expected null at the 1 blocks"),
    (TEXT, put("records", 0, "losses", 0, "nats", 1, value=9.0), "losses.0.nats: expected null at the 1 blocks"),
    (TEXT, put("records", 0, "losses", 0, "nats", 0, value=-1.0), "losses.0.nats.0: Input should be greater than"),
    (TEXT, put("records", 0, "losses", 0, "nats", 0, value=1e308), "losses.0.nats: expected at most 100 nats a byte"),
    (TEXT, put("records", 0, "losses", 0, "n_tokens", value=1), "losses.0.n_tokens: expected"),
    (TEXT, put("records", 0, "losses", 0, "context_tokens", value=1), "losses.0.n_tokens: expected"),
    (TEXT, put("records", 0, "losses", 0, "foreign", value=True), "losses: expected the contexts|expected one of"),
    (
        TEXT,
        put("records", 0, "curve", value=[{"lag": 1, "n": 1, "total": 1.0, "lag_tokens": 1}]),
        "curve: expected none",
    ),
]


@pytest.mark.parametrize(("key", "change", "said"), RECORD_CHANGES)
def test_records(folder: Path, key: str, change: Change, said: str) -> None:
    edited(folder / "cells" / f"{key}.json", change)
    found = findings(folder)
    assert any(one in line for line in found for one in said.split("|")), found
    assert all(line.startswith((f"cells/{key}.json: ", "submission.json: ")) for line in found), found


def test_no_text_is_predicted_better_than_its_source_allows(tmp_path: Path) -> None:
    folder = write_submission(tmp_path, SUITE, "Gru", records_of(SUITE, model_named("gru"), bits=0.2))
    assert any("expected no less than 1.000 bits per byte" in line for line in findings(folder))


def test_a_missing_and_a_strange_cell_are_named(folder: Path) -> None:
    (folder / "cells" / f"{LEARN}.json").rename(folder / "cells" / "learn-planted-char.json")
    assert findings(folder) == [
        "cells/learn-planted-char.json: expected a cell of the suite",
        f"cells/{LEARN}.json: expected the records of learn planted at byte, the file is missing",
    ]


def test_a_seed_that_did_not_finish_needs_no_weights_and_has_no_score(tmp_path: Path) -> None:
    statuses: Any = {(TEXT, 101): "diverged", (LEARN, 102): "failed"}
    folder = write_submission(tmp_path, SUITE, "Gru", records_of(SUITE, model_named("gru"), statuses=statuses))
    assert findings(folder) == []
    claims = {claim["cell"]: claim for claim in json.loads((folder / "submission.json").read_text())["claims"]}
    assert (claims[TEXT]["seeds"][0], claims[TEXT]["score"]) == (None, None)


def test_a_failure_hides_no_claim(folder: Path) -> None:
    """Marked as failed afterwards, a bad seed would still have to leave the claims and the weights."""
    edited(folder / "cells" / f"{TEXT}.json", put("records", 0, "status", value="failed"))
    edited(folder / "cells" / f"{TEXT}.json", put("records", 0, "reason", value="out of memory"))
    found = findings(folder)
    assert any("claims.4: expected what the sums" in line for line in found)
    assert any(": expected nothing" in line for line in found)


def with_ids(records: dict[str, list[Record]], model: Part) -> dict[str, list[Record]]:
    """Somebody else's records as one's own: the model and the ids are put right."""
    found = {}
    for key, each in records.items():
        cells = [record.cell.model_copy(update={"model": model}) for record in each]
        found[key] = [r.model_copy(update={"cell": cell, "id": cell.id}) for r, cell in zip(each, cells, strict=True)]
    return found


def test_a_copied_record_of_another_model_is_found(folder: Path) -> None:
    theirs = records_of(SUITE, model_named("Gru"))
    copy = write_submission(folder.parent, SUITE, "Mine", with_ids(theirs, model_named("mine")))
    found = findings(copy)
    assert (
        f"submission.json: cells: expected measurements of its own, {folder.name} has the losses of {TEXT} too" in found
    )


def test_copied_weights_are_found(folder: Path) -> None:
    records = records_of(SUITE, model_named("mine"))
    weights = submission_of(SUITE, records, "Mine").weights
    theirs = json.loads((folder / "submission.json").read_text())["weights"]
    one = next(iter(weights))
    taken = next(iter(next(iter(theirs.values())).values()))
    weights[one] = dict.fromkeys(weights[one], "0" * 64) | {next(iter(weights[one])): taken}
    mine = write_submission(folder.parent, SUITE, "Mine", records, weights=weights)
    assert any(f"expected weights of its own, {folder.name} has some" in line for line in findings(mine))


def test_a_neighbour_that_is_no_submission_is_its_own_problem(folder: Path) -> None:
    for number, data in enumerate((b"[" * 100_000, b"\xff", b"{}", b'{"weights": 3}')):
        (folder.parent / f"other-{number}").mkdir()
        (folder.parent / f"other-{number}" / "submission.json").write_bytes(data)
    assert findings(folder) == []


def test_a_folder_that_is_not_there_is_the_callers_problem(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        validate(tmp_path / "nowhere")


def test_a_whole_submission_takes_less_than_two_seconds(tmp_path: Path) -> None:
    """Start of the interpreter and imports included; without torch, as tests of the command show."""
    suite = tiny_suite(ALL, n_blocks=288)
    folder = write_submission(tmp_path / "board" / "submissions", suite)
    (tmp_path / "tiny-1.json").write_text(suite.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from leaderboard import suite; suite.SUITES = Path(sys.argv[1]); "
        "from leaderboard.validation.validate import validate; "
        "assert not validate(Path(sys.argv[2])).findings; assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    begin = os.times()
    subprocess.run([sys.executable, "-c", code, tmp_path, folder], check=True, cwd=TOP)
    end = os.times()
    spent = end.children_user + end.children_system - begin.children_user - begin.children_system
    assert 0 < spent < 2.0


@pytest.mark.parametrize("fill", [b'"', b"[", b"1,", b'{"a":1},', b'"x",', b"\\", b"1e5,", b"null,"])
def test_no_megabyte_takes_longer(folder: Path, fill: bytes) -> None:
    size = 2**20 - 40
    for path in (folder / "submission.json", folder / "cells" / f"{TEXT}.json"):
        path.write_bytes(b'{"records": [' + fill * (size // len(fill)))
    begin = time.process_time()
    assert findings(folder)
    assert time.process_time() - begin < 2
