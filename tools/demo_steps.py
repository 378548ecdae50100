"""A step of the demo: whether it is done, and what came out."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

import torch

CONFIGS = Path('configs')
PROGRESS = re.compile(r'Iter\((train|val|test)\)\s*\[\s*(\d+)/(\d+)\]')


@dataclass
class Step:
    """One command of the demo; its result lies in its folder."""

    title: str
    folder: Path
    command: List[str]
    metric: str = ''
    unit: str = ''
    needs: Optional['Step'] = None
    product: Optional[Path] = None  # what must be there when it is done
    result: dict = field(default_factory=dict)

    @property
    def console(self) -> Path:
        """What the command prints."""
        return self.folder / 'console.log'

    def signature(self) -> str:
        """A hash of the command, of the demo's configs and what it needs."""
        digest = hashlib.sha256(json.dumps(self.command).encode())
        for path in sorted(CONFIGS.rglob('*shapes*.py')):
            digest.update(path.read_bytes())
        if self.needs:
            digest.update(self.needs.signature().encode())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Whether this very step has been finished before."""
        path = self.folder / 'result.json'
        if not path.is_file() or (self.product and not self.product.exists()):
            return False
        self.result = json.loads(path.read_text())
        return self.result['signature'] == self.signature()

    def prepare(self) -> None:
        """Clear away another step's leftovers, keep one's own."""
        mark = self.folder / 'signature'
        if self.folder.exists() and (
            not mark.is_file()
            or mark.read_text() != self.signature()
            or self.was_evaluating()
        ):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(self.signature())

    def was_evaluating(self) -> bool:
        """Whether it was stopped in its last evaluation.

        mmengine does not evaluate when it resumes a training that is through.
        """
        if not self.console.is_file():
            return False
        log = self.console.read_text(errors='replace')
        trained = [x for x in PROGRESS.findall(log) if x[0] == 'train']
        return bool(trained) and trained[-1][1] == trained[-1][2]

    def finish(self) -> None:
        """Write down the result."""
        self.result = dict(signature=self.signature())
        if self.metric:
            self.result.update(read_metrics(self.folder, self.metric))
        (self.folder / 'result.json').write_text(json.dumps(self.result))

    @property
    def value(self) -> float:
        """The metric, in percent."""
        value = self.result[self.metric]
        return 100 * value if self.metric.startswith('coco/') else value

    def outcome(self) -> str:
        """What came out, in words."""
        if not self.metric:
            return 'made'
        text = f'{self.unit} {self.value:.1f}'
        if 'mask_overlap' in self.result:
            first, last = self.result['mask_overlap']
            text += f', overlap of the masks {first:.3f} -> {last:.3f}'
        return text

    def progress(self) -> str:
        """How far the running command is."""
        found = PROGRESS.findall(self.console.read_text(errors='replace'))
        if not found:
            return 'starting'
        mode, at, end = found[-1]
        return f'{"" if mode == "train" else "evaluation, "}{at} of {end}'


def read_metrics(folder: Path, metric: str) -> dict:
    """The last value of a metric in a run's logs, and the masks' overlap."""
    rows = []
    for path in sorted(folder.glob('*/**/*.json')):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    values = [row[metric] for row in rows if metric in row]
    if not values:
        raise RuntimeError(f'{folder}: no {metric} in its logs')
    result = {metric: values[-1]}
    if (folder / 'prompts.pth').is_file():
        meta = torch.load(folder / 'prompts.pth')['meta']
        result['mask_overlap'] = [
            meta['mask_overlap'][key] for key in ('start', 'end')
        ]
    return result
