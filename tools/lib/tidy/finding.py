"""What a rule reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One place and what to do there; a warning does not fail the run."""

    file: str
    line: int
    rule: str
    advice: str
    is_warning: bool = False

    def __str__(self) -> str:
        rule = f"warning: {self.rule}" if self.is_warning else self.rule
        return f"{self.file}:{self.line}: {rule}: {self.advice}"
