"""What pages share: templates that escape, and figures put inline."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup


def template(name: str) -> Template:
    """A page of this folder; what is filled in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


def inline(svg: bytes) -> Markup:
    """The drawing without the head of its file."""
    text = svg.decode()
    return Markup(text[text.index("<svg") :])  # of our own making; matplotlib escapes the names in it
