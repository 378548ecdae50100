"""What a dry run has found, and how problems get into it."""

import contextlib
from typing import Iterator, List, NamedTuple

from ..explain import explain


class Row(NamedTuple):
    """One line of the table: a loss, and what it compares."""

    layer: str
    shape: str
    connector: str
    loss: str
    weight: str
    value: str


class Report:
    """What a dry run has found.

    Attributes:
        problems (list[str]): What has to be mended.
        rows (list[Row]): One for each distillation loss.
        facts (list[str]): Trainable parameters and memory.
    """

    def __init__(self) -> None:
        self.problems: List[str] = []
        self.rows: List[Row] = []
        self.facts: List[str] = []

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Note what goes wrong inside, and go on after it."""
        try:
            yield
        except Exception as error:  # a dry run lists whatever would end a run
            said = explain(error) or f'{type(error).__name__}: {error}'
            if not any(said in problem for problem in self.problems):
                self.problems.append(f'{what}: {said}')
