"""Conditions: selectors and what they must be.

Floor 2. Pure. A condition is a list of alternatives, any of which may hold; an
alternative is a list of clauses, all of which must.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.rules.matchers import Matcher
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject

Unknown = Callable[[Selector], bool]


@dataclass(frozen=True, slots=True)
class Clause:
    """One selector with its matcher."""

    selector: Selector
    matcher: Matcher

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector it reads."""
        inner = (name for template in self.matcher.operands for name in template.selectors)
        return (self.selector, *inner)

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return any(selector.reads_body for selector in self.selectors)

    def holds(self, subject: Subject) -> bool:
        """Whether the selector's value passes."""
        return self.matcher.accepts(self.selector.read(subject), subject)


@dataclass(frozen=True, slots=True)
class Condition:
    """Alternatives of clauses."""

    alternatives: tuple[tuple[Clause, ...], ...]

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector it reads."""
        clauses = (clause for alternative in self.alternatives for clause in alternative)
        return tuple(selector for clause in clauses for selector in clause.selectors)

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return any(selector.reads_body for selector in self.selectors)

    def holds(self, subject: Subject) -> bool:
        """Whether any alternative holds."""
        return any(
            all(clause.holds(subject) for clause in alternative)
            for alternative in self.alternatives
        )

    def without_body(self, subject: Subject) -> bool | None:
        """As `holds`, while the request's body has not been read; None if it hangs on that."""
        return self._without(lambda selector: selector.reads_body, subject)

    def without_answer_body(self, subject: Subject) -> bool | None:
        """As `holds`, while only the answer's head is known; None if it hangs on the body."""
        return self._without(lambda selector: selector.reads_response_body, subject)

    def _without(self, unknown: Unknown, subject: Subject) -> bool | None:
        verdicts = [_verdict(alternative, unknown, subject) for alternative in self.alternatives]
        if True in verdicts:
            return True
        return None if None in verdicts else False


def _verdict(clauses: tuple[Clause, ...], unknown: Unknown, subject: Subject) -> bool | None:
    """False as soon as a clause that can be judged fails; None if all that can be judged hold."""
    known = [clause for clause in clauses if not any(map(unknown, clause.selectors))]
    if not all(clause.holds(subject) for clause in known):
        return False
    return True if len(known) == len(clauses) else None
