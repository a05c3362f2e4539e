"""`submission.json`: one field is wrong, and the finding names it."""

from typing import Any

import pytest

from tests.leaderboard.validation.corrupted import MAIN, Change, assert_found, found, put

NAME = "name: expected letters, digits, single spaces"
CONTACT = "contact: expected an e-mail address or @handle"
LINK = "link: expected an https:// address"
FAMILY = "family: expected a few words in small letters"
COMMIT = "commit: expected 40 hex digits"
DIGEST = "expected a sha256, 64 hex digits"
ARGUMENT = "expected a short name with a number, a truth value or a short text"
CLASS = "model.class_path: expected models.MODULE.CLASS, or FILE.py:CLASS and the file's source digest"


def arguments(**init_args: Any) -> Change:
    return put("model", "init_args", value={"dim": 48} | init_args)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("extra", value=1), "extra: Extra inputs are not permitted"),
        (lambda data: data.pop("source"), "source: Field required"),
        (put("schema_version", value=2), "schema_version: Input should be 1"),
        (put("schema_version", value=True), "schema_version: expected a whole number"),
        (put("schema_version", value=1.0), "schema_version: expected a whole number"),
        (put("revision", value="1"), "revision: Input should be a valid integer"),
        (put("revision", value=1.0), "revision: Input should be a valid integer"),
        (put("revision", value=True), "revision: Input should be a valid integer"),
        (put("revision", value=0), "revision: Input should be greater than 0"),
        (put("revision", value=9), "suite: expected a suite there is: no revision 9 of suite tiny"),
        (put("suite", value="large"), "suite: expected a suite there is: no revision 1 of suite large"),
        (put("suite", value="../../tiny"), "suite: expected small letters"),
        (put("suite", value="*"), "suite: expected small letters"),
        (put("suite", value="tiny-1"), "suite: expected small letters"),
        (put("id", value="../gru"), "id: expected small letters, digits and hyphens"),
        (put("id", value="gru/x"), "id: expected small letters, digits and hyphens"),
        (put("id", value="-gru"), "id: expected small letters, digits and hyphens"),
        (put("id", value="GRU-EE5313D0"), "id: expected small letters, digits and hyphens"),
        (put("name", value="Other"), "id: expected other-"),
        (put("name", value="<script>alert(1)</script>"), NAME),
        (put("name", value="=HYPERLINK(1)"), NAME),
        (put("name", value="-1"), NAME),
        (put("name", value="@SUM(A1)"), NAME),
        (put("name", value="Gr\u0443"), NAME),
        (put("name", value="\uff27ru"), NAME),
        (put("name", value="Gru "), NAME),
        (put("name", value="Gru  2"), NAME),
        (put("name", value="G" * 41), NAME),
        (put("name", value=""), NAME),
        (put("name", value="[x](https://example.org)"), NAME),
        (put("contact", value="a@b.org,c@d.org"), CONTACT),
        (put("contact", value="a@b.org?bcc=x@y.org"), CONTACT),
        (put("contact", value="mailto:a@b.org"), CONTACT),
        (put("contact", value="a%0abcc:c@b.org"), CONTACT),
        (put("contact", value="@"), CONTACT),
        (put("contact", value="@some/one"), CONTACT),
        (put("contact", value="a@localhost"), CONTACT),
        (put("contact", value=None), "contact: Input should be a valid string"),
        (put("link", value="http://example.org"), LINK),
        (put("link", value="HTTPS://example.org"), LINK),
        (put("link", value="javascript:alert(1)"), LINK),
        (put("link", value="data:text/html,x"), LINK),
        (put("link", value="//example.org"), LINK),
        (put("link", value="https://me:pw@example.org/"), LINK),
        (put("link", value="https://github.com@example.org/"), LINK),
        (put("link", value="https://example.org:8443/"), LINK),
        (put("link", value="https://127.0.0.1/"), LINK),
        (put("link", value="https://localhost/"), LINK),
        (put("link", value="https://[::1]/"), LINK),
        (put("link", value="https://ex\u0430mple.org/"), LINK),
        (put("link", value="https://xn--e1afmkfd.com/"), LINK),
        (put("link", value='https://example.org/"onclick="x'), LINK),
        (put("link", value="https://example.org\\@example.com"), LINK),
        (put("link", value="https://example.org/" + "x" * 181), LINK),
        (put("family", value="<b>"), FAMILY),
        (put("family", value="x" * 31), FAMILY),
        (put("date", value="2026-02-30"), "date: day is out of range for month"),
        (put("date", value="yesterday"), "date: expected a day, as 2026-01-31"),
        (put("date", value="9999-01-01"), "date: expected a day, as 2026-01-31"),
        (put("date", value="\u0662\u0660\u0662\u0666-01-01"), "date: expected a day, as 2026-01-31"),
        (put("commit", value="main; rm -rf /"), COMMIT),
        (put("commit", value="C0" * 20), COMMIT),
        (put("argv", value=["x"] * 51), "argv: List should have at most 50 items"),
        (put("argv", value=["x" * 201]), "argv.0: String should have at most 200 characters"),
        (put("argv", value="gru"), "argv: Input should be a valid list"),
        (put("source", value="abc"), f"source: {DIGEST}"),
        (put("source", value="AB" * 32), f"source: {DIGEST}"),
        (put("weights", "x", value={"weights.safetensors": "../x"}), f"weights.x.weights.safetensors: {DIGEST}"),
        (put("claims", 0, "score", value="0.9"), "claims.0.score: Input should be a valid number"),
        (put("claims", 0, "score", value=-0.5), "claims.0.score: Input should be greater than or equal to 0"),
        (put("claims", 0, "score", value=True), "claims.0.score: Input should be a valid number"),
        (put("claims", 0, "rank", value=1), "claims.0.rank: Extra inputs are not permitted"),
        (put("model", "class_path", value="os.system"), CLASS),
        (put("model", "class_path", value="models"), CLASS),
        (put("model", "class_path", value="models..x.Y"), CLASS),
        (put("model", "class_path", value="models.gru.Gru()"), CLASS),
        (put("model", "class_path", value="models.gru:Gru"), CLASS),
        (put("model", "class_path", value="../../gru.py:Gru"), CLASS),
        (put("model", "class_path", value="gru.py:Gru"), CLASS),
        (put("model", "source", value="ab" * 32), CLASS),
        (put("model", "name", value="a b"), "model.name: expected letters, digits"),
        (put("model", "name", value="../a"), "model.name: expected letters, digits"),
        (put("model", "name", value="x" * 61), "model.name: expected letters, digits"),
        (arguments(dim=0), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (arguments(dim=25_001), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (arguments(dim=48.0), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (arguments(dim="48"), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (arguments(dim=True), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (put("model", "init_args", value={}), "model.init_args.dim: expected a whole number, 1 to 25000"),
        (arguments(a=[1]), f"model.init_args.a: {ARGUMENT}"),
        (arguments(a={"class_path": "os.system"}), f"model.init_args.a: {ARGUMENT}"),
        (arguments(a="x" * 61), f"model.init_args.a: {ARGUMENT}"),
        (arguments(**{"a b": 1}), f"model.init_args.a b: {ARGUMENT}"),
        (arguments(__class__="x"), f"model.init_args.__class__: {ARGUMENT}"),
        (arguments(**{"": 1}), f"model.init_args.: {ARGUMENT}"),
        (arguments(**{"x" * 61: 1}), "model.init_args.xxx"),
        (arguments(**{f"a{i}": 1 for i in range(50)}), "model.init_args: expected at most 50"),
    ],
)
def test_a_field_that_cannot_be(change: Change, expected: str) -> None:
    assert_found(MAIN, change, [expected])


@pytest.mark.parametrize(
    "change",
    [
        put("link", value=None),
        put("link", value="https://arxiv.org/abs/2312.00752v2?context=cs#S1"),
        put("contact", value="first.last+x@sub.example.ac.uk"),
        put("commit", value=None),
        put("commit", value="c0" * 20 + "+"),
        put("argv", value=[]),
        put("date", value="2026-12-31"),
        put("claims", value=list),
    ],
)
def test_what_may_be_otherwise(change: Change) -> None:
    assert found({MAIN: change}) == []


def test_an_id_is_that_of_the_records_and_of_the_folder() -> None:
    expected = ["id: expected gru-ee5313d0, from the name and the records", "id: expected the folder's name, gru-ee"]
    assert_found(MAIN, put("id", value="gru-00000000"), expected)


def test_another_model_in_front_of_the_same_records_is_found_in_each() -> None:
    got = found({MAIN: arguments(dim=49)})
    assert len(got) == 15
    assert all(line.endswith("cell.model.init_args.dim: expected 49, got 48") for line in got)
