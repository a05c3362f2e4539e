"""The two forms that a task can have."""

from typing import Literal, get_args

from tasks.base import one_of

Protocol = Literal["lag", "published"]  # one source, exactly so far back; or as a paper has it, by its length alone


def is_published(protocol: Protocol) -> bool:
    """Whether a task is to be as published. Raises ValueError where `protocol` is none of the two."""
    one_of(get_args(Protocol), protocol=protocol)
    return protocol == "published"
