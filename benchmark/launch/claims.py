"""Claims: one process at a time runs a cell, however many tables work on a folder, on one machine or on several.

A claim is a lock that the operating system keeps (flock): it goes when its process does, however it ends, so that a
claim of a dead process is never in the way. On a network folder the file server keeps it, and frees it when it has lost
the machine that held it.
"""

import errno
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.registry import UsageError

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Claims:
    """The cells of one folder that this process has claimed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "claims"
        self.held: dict[str, FileLock] = {}

    def take(self, cell_id: str) -> bool:
        """Claim a cell; False where another process has it. Raises UsageError where the folder cannot lock files."""
        lock = FileLock(self.folder / f"{cell_id}.lock", thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
                raise
            raise UsageError(
                f"--output: {self.folder.parent} is on a file system without locks: choose another"
            ) from None
        self.held[cell_id] = lock
        return True

    def drop(self, cell_id: str) -> None:
        """Give a claim back; its file goes while nobody else can hold it."""
        lock = self.held.pop(cell_id)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

    def drop_all(self) -> None:
        """Give every claim back."""
        for cell_id in list(self.held):
            self.drop(cell_id)
