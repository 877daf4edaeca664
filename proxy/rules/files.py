"""The rule file with all it includes, merged into one mapping.

Floor 2. Files are read here and nowhere else in the rules. They are merged in
order; what two of them both give is a problem, except `upstreams`, whose
names must differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from proxy.rules.nodes import Map, Node, Scalar, Sequence, parse_nodes
from proxy.rules.problems import Mark, Report

_INCLUDE = "include"
_UPSTREAMS = "upstreams"
_EXAMPLE = "write at least: upstreams: {NAME: {url: https://…}}"


@dataclass(slots=True)
class Source:
    """What was read: the members of every file in order, and a digest of every text."""

    env: Mapping[str, str]
    report: Report
    members: list[tuple[Scalar, Node]] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add_text(self, text: str, name: str, base: Path, within: tuple[Path, ...] = ()) -> None:
        """Read one text and the files it includes; `within` are the files that led here."""
        self.digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        before = len(self.report.problems)
        root = parse_nodes(text, name, self.env, self.report)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            if len(self.report.problems) == before:
                self.report.add(Mark(name, 1, 1), "the file is empty", _EXAMPLE)
        elif not isinstance(root, Map):
            self.report.add(root.mark, "a rule file is a mapping", _EXAMPLE)
        else:
            self.members.extend(root.items)
            include = root.find(_INCLUDE)
            if include is not None:
                self._include(include, base, within)

    def add_file(self, path: Path, within: tuple[Path, ...], mark: Mark | None = None) -> None:
        """Read one file; `mark` is where it was named."""
        place = mark or Mark(str(path), 1, 1)
        resolved = path.resolve()
        if resolved in within:
            self.report.add(
                place,
                f"{path} includes itself, by way of {len(within)} files",
                "take one include out",
            )
            return
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            self.report.add(place, f"{path} is not UTF-8 text", "save it as UTF-8")
        except OSError as error:
            self.report.add(
                place, f"{path} cannot be read: {error.strerror}", "check its name and permissions"
            )
        else:
            self.add_text(text, str(path), path.parent, (*within, resolved))

    def _include(self, node: Node, base: Path, within: tuple[Path, ...]) -> None:
        patterns = node.items if isinstance(node, Sequence) else (node,)
        for pattern in patterns:
            # What is no text is reported when the merged file is read.
            if isinstance(pattern, Scalar) and isinstance(pattern.value, str) and pattern.value:
                for path in self._matching(pattern, pattern.value, base):
                    self.add_file(path, within, pattern.mark)

    def _matching(self, node: Scalar, pattern: str, base: Path) -> list[Path]:
        """The files of a pattern in order; there may be none, but its folder must be there."""
        if not _is_pattern(pattern):
            return [base / pattern]
        parts = Path(pattern).parts
        fixed = list(takewhile(lambda part: not _is_pattern(part), parts))
        folder = base.joinpath(*fixed)
        if not folder.is_dir():
            self.report.add(
                node.mark,
                f"there is no folder for the pattern `{node.written}`",
                "make the folder, or correct the pattern: rules.d/*.yaml",
            )
            return []
        found = folder.glob(str(Path(*parts[len(fixed) :])))
        return sorted(path for path in found if path.is_file())

    def merged(self, name: str) -> Map:
        """All members as one mapping, with a problem for each that is given twice."""
        upstreams: list[tuple[Scalar, Node]] = []
        others: list[tuple[Scalar, Node]] = []
        first: Scalar | None = None
        for key, node in self.members:
            if key.text == _UPSTREAMS and isinstance(node, Map):
                first = first or key
                upstreams.extend(node.items)
            elif key.text != _INCLUDE or all(k.text != _INCLUDE for k, _ in others):
                others.append((key, node))
        if first is not None:
            unique = self._unique(upstreams, "the upstream ")
            others.append((first, Map(first.mark, unique)))
        return Map(Mark(name, 1, 1), self._unique(others, ""))

    def _unique(
        self, members: list[tuple[Scalar, Node]], what: str
    ) -> tuple[tuple[Scalar, Node], ...]:
        found: dict[str, tuple[Scalar, Node]] = {}
        for key, node in members:
            if key.text in found:
                self.report.add(
                    key.mark,
                    f"{what}`{key.text}` is given twice, first at {found[key.text][0].mark}",
                    "keep one of them",
                )
            else:
                found[key.text] = (key, node)
        return tuple(found.values())


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")
