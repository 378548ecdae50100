"""Distil two small pairs from end to end, on two CPU cores.

A RepPoints pair on COCO's format and a PSPNet pair on Cityscapes': teacher,
stage 1, then the student alone and with FreeKD over two seeds. Safe to
interrupt and to repeat.
"""

import argparse
from pathlib import Path
from typing import Dict, List

from mmfreekd.checkpoints.prompts import read_prompts

from .compare import Comparison
from .configs import ROOT, load
from .pool import Job, add_workers, run_jobs
from .prerequisites import make_prerequisites, prompts_of
from .rows import Results, made_by
from .runs import STUDENT, test_checkpoint
from .tables import mean_and_error

FOLDER = Path('work_dirs/demo')
CONFIGS = ROOT / 'configs' / 'demo'
SEEDS = [0, 1]
IMAGES = (3, 20, 30, 50)  # of the validation set, in the pictures
PAIRS = dict(
    reppoints='freekd_neck_reppoints_r18w32_reppoints_r18w8_shapes',
    pspnet='freekd_backbone_pspnet_r18w32_pspnet_r18w8_shapes',
)


class Pair:
    """A teacher and a student, alone and distilled.

    Args:
        name (str): Key of ``PAIRS``.
        results (Results): The rows.
    """

    def __init__(self, name: str, results: Results) -> None:
        self.name, self.results = name, results
        self.student = str(CONFIGS / f'{name}_r18w8_shapes.py')
        self.distilled = str(CONFIGS / f'{PAIRS[name]}.py')
        self.teacher = str(CONFIGS / f'{name}_r18w32_shapes.py')
        runs = {
            f'{name} student alone': (self.student, {}),
            f'{name} student with FreeKD': (self.distilled, {}),
        }
        self.comparison = Comparison(runs, SEEDS, 'val', results, 'student')
        self.alone, self.freekd = runs

    @property
    def teacher_ckpt(self) -> str:
        """The teacher's checkpoint."""
        return load(self.distilled, {}, 0).model.teacher_ckpt

    def checkpoint(self, name: str, seed: int = SEEDS[0]) -> str:
        """The plain student of a run."""
        return str(self.comparison.folder(name, seed) / STUDENT)

    def test_jobs(self) -> List[Job]:
        """Evaluate the teacher, and exported students as plain models."""
        jobs = []
        exported = self.student, self.checkpoint(self.freekd)
        for what, (config, checkpoint) in dict(
            teacher=(self.teacher, self.teacher_ckpt), exported=exported
        ).items():
            key = dict(pair=self.name, what=what, checkpoint=checkpoint)
            if self.results.find(**key) is None:
                jobs.append(self._test_job(key, config, checkpoint))
        return jobs

    def _test_job(self, key: dict, config: str, checkpoint: str) -> Job:
        def done(metrics: Dict[str, float]) -> None:
            self.results.put(key, value=metrics['val'], **made_by())

        title = '{pair} {what}'.format(**key)
        work_dir = str(FOLDER / title.replace(' ', '_'))
        arguments = dict(config=config, checkpoint=checkpoint)
        arguments.update(splits=['val'], work_dir=work_dir)
        return Job(title, test_checkpoint, arguments, done)

    def value(self, what: str) -> float:
        """The metric of the teacher or of the exported student."""
        return self.results.find(pair=self.name, what=what)['value']

    def report(self) -> str:
        """Table, verdict and picture in Markdown."""
        from .pictures import draw_predictions

        alone, freekd = map(self.comparison.values, (self.alone, self.freekd))
        gain = mean_and_error([*freekd.values()])[0]
        base = mean_and_error([*alone.values()])[0]
        gap = self.value('teacher') - base
        same = freekd[SEEDS[0]] == self.value('exported')
        (prompts,) = prompts_of([(self.distilled, {})])
        overlap = read_prompts(prompts)[0]['mask_overlap']
        picture = FOLDER / f'predictions_{self.name}.png'
        shown = {
            'student alone': (self.student, self.checkpoint(self.alone)),
            'FreeKD student': (self.student, self.checkpoint(self.freekd)),
            'teacher': (self.teacher, self.teacher_ckpt),
        }
        draw_predictions(shown, IMAGES, picture)
        return (
            f'{self.comparison.table()}\n\n'
            f'The teacher reaches {self.value("teacher"):.1f}; FreeKD closes '
            f'{100 * (gain - base) / gap:.0f} % of the gap. Stage 1 took the '
            f'overlap of the masks from {overlap["start"]:.3f} to '
            f'{overlap["end"]:.3f}. The exported student, loaded as a plain '
            f'model, gives {"the same" if same else "ANOTHER"} value.\n\n'
            f'![Ground truth and predictions]({picture.name})\n'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description='Distil two small pairs')
    add_workers(parser)
    workers = parser.parse_args().workers
    print('FreeKD demo: about 10 minutes on two idle cores', flush=True)
    results = Results(str(FOLDER / 'rows.json'))
    pairs = [Pair(name, results) for name in PAIRS]
    runs = [run for p in pairs for run in p.comparison.runs.values()]
    make_prerequisites(runs, workers)
    run_jobs([j for p in pairs for j in p.comparison.jobs()], workers)
    run_jobs([j for p in pairs for j in p.test_jobs()], workers)
    text = '\n'.join(pair.report() for pair in pairs)
    report = FOLDER / 'report.md'
    report.write_text(f'# FreeKD demo\n\n{text}')
    print(f'\n{text}\nWith pictures: {report}')


if __name__ == '__main__':
    main()
