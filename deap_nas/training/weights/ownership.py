"""Whose a folder of weights is: a file in it names the run, and other runs are refused."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from deap_nas.errors import SettingsError
from deap_nas.files import save_json
from deap_nas.store import Store

__all__ = ["Owner", "check_owner"]

_NAME = ".run.json"


@dataclass(frozen=True)
class Owner:
    """The run to which a folder belongs."""

    #: ``run_id`` of its store.
    run: str
    #: Its population file; None where it has none.
    file: str | None

    @classmethod
    def of(cls, store: Store) -> Self | None:
        """The run of a store; None if the store does not tell it from others."""
        path: Path | None = getattr(store, "path", None)
        return None if store.run_id is None else cls(store.run_id, None if path is None else str(path.resolve()))

    @classmethod
    def noted_in(cls, folder: Path) -> Self | None:
        """The run that a folder names; None if it names none."""
        try:
            fields = json.loads((folder / _NAME).read_text(encoding="utf-8"))
            return cls(str(fields["run"]), fields["file"])
        except (OSError, LookupError, TypeError, ValueError):
            return None

    def note(self, folder: Path) -> None:
        """Let a folder name this run.

        Raises:
            StorageError: the folder cannot be written to.
        """
        if self.noted_in(folder) != self:
            save_json(folder / _NAME, asdict(self))

    def remove(self, folder: Path) -> None:
        """Let a folder name no run."""
        (folder / _NAME).unlink(missing_ok=True)


def check_owner(store: Store, folder: Path) -> Owner | None:
    """Check that no other run owns a folder; one whose population file that of the store has replaced owns no more.

    Returns:
        The run that has been replaced, if there is one.

    Raises:
        SettingsError: the folder belongs to another run.
    """
    own, noted = Owner.of(store), Owner.noted_in(folder)
    if own is None or noted is None or noted.run == own.run:
        return None
    if noted.file != own.file:
        raise SettingsError(
            f"{folder} belongs to the run in {noted.file or 'the memory of another program'}: "
            f"give each run a weights_dir of its own, or remove that folder"
        )
    return noted
