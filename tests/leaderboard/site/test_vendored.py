"""What is vendored is what its registry published, with its licence, and not a byte more."""

import hashlib
import json
import re
from pathlib import Path

from leaderboard.site.render import ASSETS

VENDOR = ASSETS / "vendor"
DIGESTS = json.loads((VENDOR / "digests.json").read_bytes())


def test_every_file_has_the_digest_that_is_written_down() -> None:
    for name, told in DIGESTS.items():
        data = (VENDOR / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == told["sha256"], name
        assert re.search(rf"v?{re.escape(told['version'])}", data[:200].decode()), name
        assert (
            told["source"] == f"https://registry.npmjs.org/{told['package']}/-/{told['package']}-{told['version']}.tgz"
        )


def test_every_licence_is_there_and_no_file_that_nobody_knows() -> None:
    parts = [part for told in DIGESTS.values() for part in (told, *told.get("contains", []))]
    for part in parts:
        text = (VENDOR / part["licence_file"]).read_text()
        assert "MIT" in text
        assert part["licence"] == "MIT"
    known = {"digests.json", *DIGESTS, *(part["licence_file"] for part in parts)}
    assert {path.name for path in VENDOR.iterdir()} == known


def test_our_own_scripts_and_styles_are_short_and_fetch_nothing() -> None:
    for path in [*ASSETS.glob("*.js"), *ASSETS.glob("*.css"), *(Path(ASSETS).parent / "templates").glob("*")]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 250, path.name
        assert not re.search(r"\b(fetch|eval|XMLHttpRequest|importScripts|innerHTML|insertAdjacentHTML)\b", text), path
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path
        assert not re.search(r"\|\s*safe\b", text), path
