"""What a dry run has found, and how problems get into it."""

import contextlib
import sys
import traceback
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from torch import nn

from ..explain import configured, explain


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
        problems (list[str]): What has to be fixed.
        remarks (list[str]): What may be intended.
        rows (list[Row]): One for each distillation loss.
        facts (list[str]): Trainable parameters and memory.
        stage (str): A prefix of what is found from now on.
        cfg (dict): The config in which a part that fails is looked for.
        modules (dict[int, str]): Names of the modules of its models.
    """

    def __init__(self) -> None:
        self.problems: List[str] = []
        self.remarks: List[str] = []
        self.rows: List[Row] = []
        self.facts: List[str] = []
        self.stage = ''
        self.cfg: dict = {}
        self.modules: Dict[int, str] = {}

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Note what goes wrong inside, and go on after it."""
        try:
            yield
        except Exception as error:  # a dry run lists whatever would end a run
            said = explain(error) or _plainly(error)
            self.add(self._part(error) or self._module(error, what), said)

    def add(self, what: str, said: str) -> None:
        """Add a problem, unless it is known."""
        if not any(problem.endswith(said) for problem in self.problems):
            self.problems.append(f'{self.stage}{what}: {said}')

    def remark(self, said: str) -> None:
        """Add a remark, unless it is known."""
        if not any(known.endswith(said) for known in self.remarks):
            self.remarks.append(f'{self.stage}{said}')

    def _part(self, error: Exception) -> Optional[str]:
        """The key of the part of the config that could not be built."""
        for frame in configured(error):
            part = frame.f_locals.get('cfg')
            if isinstance(part, dict) and (found := _find(self.cfg, part)):
                return found
        return None

    def _module(self, error: Exception, what: str) -> str:
        """The step, with the module of the model that raised in it."""
        for frame, _ in reversed([*traceback.walk_tb(error.__traceback__)]):
            owner = frame.f_locals.get('self')
            if isinstance(owner, nn.Module) and id(owner) in self.modules:
                return f'{what}, {self.modules[id(owner)]}'
        return what

    def print(self) -> int:
        """Print the table, the facts and the problems; 1 if there are any."""
        if self.rows:
            rows = [Row._fields, *self.rows]
            widths = [max(map(len, column)) for column in zip(*rows)]
            for row in rows:
                cells = (c.ljust(width) for c, width in zip(row, widths))
                print('  '.join(cells).rstrip())
        for line in [*self.facts, *(f'remark: {r}' for r in self.remarks)]:
            print(line)
        if not self.problems:
            print('No problem was found.')
            return 0
        print(f'{len(self.problems)} problem(s):', file=sys.stderr)
        for number, problem in enumerate(self.problems, 1):
            print(f'{number}. {problem}', file=sys.stderr)
        return 1


def _plainly(error: Exception) -> str:
    """An exception that nobody explains, with where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = '/'.join(last.filename.split('/')[-3:])
    text = ' '.join(str(error).split())[:500]
    return f'{type(error).__name__}: {text} (in {where}, line {last.lineno})'


def _find(cfg: Any, part: dict, path: str = '') -> Optional[str]:
    """The path of a part in a config."""
    if isinstance(cfg, dict):
        if cfg.get('type', part) == part.get('type') and all(
            key not in part or part[key] == value for key, value in cfg.items()
        ):  # what is built may have arguments besides
            return path
        children = cfg.items()
    elif isinstance(cfg, (list, tuple)):
        children = enumerate(cfg)
    else:
        return None
    for key, child in children:
        found = _find(child, part, f'{path}.{key}' if path else str(key))
        if found:
            return found
    return None
