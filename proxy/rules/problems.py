"""What is wrong with a rule file: every problem, with its place and its remedy.

Floor 2. A problem quotes what the file says as it stands there, never what an
environment variable put in its place, so no secret can get into one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from proxy.errors import LarderError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mistakes(ValueError):
    """A value with several mistakes; `remedies` says of each how to mend it."""

    def __init__(self, *remedies: str) -> None:
        self.remedies = remedies
        super().__init__("; ".join(remedies))


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, and how to mend it."""

    file: str
    line: int
    column: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}; {self.remedy}"


class RuleFileError(LarderError):
    """A rule file cannot be used; `problems` are all its mistakes in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Report:
    """Collects problems while a file is read."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, mark: Mark, message: str, remedy: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(mark.file, mark.line, mark.column, message, remedy))

    def check(self) -> None:
        """Raise RuleFileError if there was any problem."""
        if self.problems:
            raise RuleFileError(self.problems)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy for a word that is not among those known."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else otherwise
