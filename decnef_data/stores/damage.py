"""What is said of a store whose files are not as they were written."""

from pathlib import Path
from typing import Literal

from decnef_data.errors import IntegrityError
from decnef_data.model import FileCheck

__all__ = ["check", "not_whole"]


def check(
    store: Path, path: str, state: Literal["whole", "changed", "missing", "damaged"], detail: str = ""
) -> FileCheck:
    """Say how the file at `path` in a store was found."""
    return FileCheck(f"{store.name}/{path}", state, detail)


def not_whole(store: Path, found: FileCheck) -> IntegrityError:
    """Say which file of a store is not as it was written, and what to do."""
    return IntegrityError(
        f"The store '{store}' is not whole: '{found.path}' is {found.state}. "
        "Clear it with 'decnef cache clear', then fetch the dataset again.",
        file=found.path,
    )
