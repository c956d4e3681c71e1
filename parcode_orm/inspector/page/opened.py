"""`Opened`: the sessions in which the page reads a file: of the commit that it shows, and of earlier ones."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from pathlib import Path

from ...errors import NoResultFound, ParcodeError
from ...session import Session, Snapshot

EARLIER = 4  # sessions of earlier commits that stay open


class Opened:
    """The file, as it was when the page was loaded; it may go on since."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._current: Session | None = None
        self._earlier: OrderedDict[int, Session] = OrderedDict()

    @property
    def current(self) -> Session:
        """The session of the commit that the page shows.

        Raises:
            ParcodeError: the file cannot be read.
        """
        if self._current is None:
            self._current = Session.open(self.path)
        return self._current

    def at(self, sequence: int | None) -> Session:
        """A session of a commit.

        Raises:
            NoResultFound: there is no such commit, or the file is another one by now.
            ParcodeError: the file cannot be read.
        """
        current = self.current
        here = current.snapshot
        if sequence is None or (here is not None and here.sequence == sequence):
            return current
        known = self._earlier.get(sequence)
        if known is None:
            known = self._open(sequence, current)
            self._earlier[sequence] = known
            while len(self._earlier) > EARLIER:
                self._earlier.popitem(last=False)[1].close()
        self._earlier.move_to_end(sequence)
        return known

    def _open(self, sequence: int, current: Session) -> Session:
        wanted = next((each for each in current.history() if each.sequence <= sequence), None)
        if wanted is None or wanted.sequence != sequence:
            raise NoResultFound(f"there is no commit {sequence} up to the one that is shown")
        return Session.open(self.path, at=wanted)

    def newer(self) -> int | None:
        """The number of the newest commit, if that is not the one that the page shows; 0 if the file was replaced."""
        here = self.current.snapshot
        try:
            with closing(Session.open(self.path)) as session:
                newest = session.snapshot
                if newest == here:
                    return None
                return newest.sequence if newest is not None and _leads_to(session, here) else 0
        except (ParcodeError, OSError):
            return 0

    def go_on(self) -> None:
        """Show the newest commit of the file from now on."""
        self.close()

    def close(self) -> None:
        """Close all sessions."""
        for session in self._earlier.values():
            session.close()
        self._earlier.clear()
        if self._current is not None:
            self._current.close()
            self._current = None


def _leads_to(session: Session, snapshot: Snapshot | None) -> bool:
    """Whether a commit is among those of a session."""
    if snapshot is None:
        return True
    return next((each for each in session.history() if each.sequence <= snapshot.sequence), None) == snapshot
