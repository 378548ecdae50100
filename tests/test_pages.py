"""Commands, names and numbers in README and docs are those of the code."""

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Dict, Iterator, Set, Tuple

import pytest

from benchmarks.tables import by_seed, mean_and_error, number
from benchmarks.tables import paired_difference as difference
from mmfreekd.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks/results'
PAGES = [
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md')),
    *sorted(ROOT.glob('docs/*.md')),
    *sorted(ROOT.glob('configs/**/README.md')),
    ROOT / 'benchmarks/protocol.md',
]
# CHANGELOG.md names what is gone, too
LINKED = [*PAGES, ROOT / 'CHANGELOG.md']
FILE = re.compile(
    r'(?<![\w./:-])(?:\.\./)*((?:configs|tools|docs|tests|requirements|'
    r'benchmarks|projects)/[\w./*-]*\w\.(?:py|sh|md|txt|json|png))'
)
CONFIG = re.compile(r'(?<![\w/])((?:freekd|prompt)[-_][\w.-]*\.py)')
OPTION = re.compile(r'(?<!\S)--[a-z][\w-]*')
# of mim and of what it starts
MIM = {'--checkpoint', '--gpus', '--gpus-per-node', '--launcher', '-y'}
TOOLS = dict(
    {
        f'tools/{kind}_{what}.sh': f'tools/{what}.py'
        for kind in ('dist', 'slurm')
        for what in ('train', 'test')
    },
    **{
        'mim train mmfreekd': 'tools/train.py',
        'mim test mmfreekd': 'tools/test.py',
        'mim run mmfreekd distill': 'tools/distill.py',
        'mmfreekd.compat': 'mmfreekd/compat/__main__.py',
        'mmfreekd.doctor': 'mmfreekd/doctor/__main__.py',
        'benchmarks.shapes': 'benchmarks/shapes/__main__.py',
    },
)
NAME = re.compile(
    r'(?<!\S)(?:tools/[\w/]+\.(?:py|sh)|mim (?:train|test) mmfreekd|'
    r'mim run mmfreekd \w+|benchmarks\.\w+|mmfreekd\.(?:compat|doctor))(?!\S)'
)
ODD = re.compile(r'\b(mend(s|ed|ing)?|anew|of which|what of)\b', re.I)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(page: Path) -> Iterator[str]:
    """Commands in blocks and between backticks, a line each."""
    text = re.sub(r' *\\\n *', ' ', page.read_text())
    for block in re.findall(r'```bash\n(.*?)```', text, re.S):
        yield from block.splitlines()
    text = re.sub(r'```.*?```', '', text, flags=re.S)
    for code in re.findall(r'`([^`]+)`', text):
        yield ' '.join(code.split())


@cache
def options(tool: str) -> Set[str]:
    """The options of a tool, from its ``add_argument`` calls."""
    path = ROOT / TOOLS.get(tool, tool)
    if '.' in tool and '/' not in str(TOOLS.get(tool, tool)):
        path = ROOT / (tool.replace('.', '/') + '.py')
    if tool == 'benchmarks.shapes':
        from benchmarks.shapes.__main__ import HELP

        return _options(path) | {f'--{n.replace("_", "-")}' for n in HELP}
    return _options(path)


def _options(path: Path) -> Set[str]:
    source = path.read_text()
    found = {
        part.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and getattr(node.func, 'attr', '') == 'add_argument'
        for part in node.args
        if isinstance(part, ast.Constant) and part.value.startswith('--')
    }
    for helper, file in dict(
        add_common_arguments='tools/_cli.py',
        add_target_arguments='tools/_cli.py',
        add_workers='benchmarks/pool.py',
    ).items():
        if f'{helper}(' in source and path != ROOT / file:
            found |= _options(ROOT / file)
    return found


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_options_in_commands_exist(page):
    for command in commands(page):
        tool = NAME.search(command)
        if tool:
            known = options(tool[0]) | (MIM if 'mim ' in tool[0] else set())
            given = OPTION.findall(command[tool.end() :])
            assert {*given} <= known, command


def test_options_are_found_at_all():
    assert {'--stage', '--resume', '--cfg-options'} <= options(
        'tools/dist_train.sh'
    )
    assert '--objects' in options('benchmarks.shapes')
    assert '--workers' in options('benchmarks.evidence')
    found = [NAME.search(c) for page in PAGES for c in commands(page)]
    assert len([match for match in found if match]) > 60


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_files_that_a_page_names_exist(page):
    for path in FILE.findall(page.read_text()):
        assert [*ROOT.glob(path)], path


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_configs_that_a_page_names_exist_once(page):
    for config in CONFIG.findall(page.read_text()):
        assert len([*(ROOT / 'configs').rglob(config)]) == 1, config


def test_the_changelog_renames_to_what_exists():
    text = (ROOT / 'CHANGELOG.md').read_text()
    rows = re.findall(r'^\| (`.*) \| (.*) \|$', text, re.M)
    assert len(rows) > 5
    for _, now in rows:
        for config in CONFIG.findall(now):
            assert len([*(ROOT / 'configs').rglob(config)]) == 1, config


def anchors(page: Path) -> Set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r'^#+ (.*)', page.read_text(), re.M)
    plain = [re.sub(r'[^\w\- ]', '', title.lower()) for title in titles]
    return {title.replace(' ', '-') for title in plain}


@pytest.mark.parametrize('page', LINKED, ids=name)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)]+)\)', page.read_text()):
        if not link.startswith('https:'):
            path, _, anchor = link.partition('#')
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs/index.md').read_text()
    for page in ROOT.glob('docs/*.md'):
        assert page.name == 'index.md' or f']({page.name})' in index


@pytest.mark.parametrize('page', LINKED, ids=name)
def test_plain_english(page):
    assert not ODD.findall(page.read_text())


def test_the_readme_is_short():
    text = (ROOT / 'README.md').read_bytes()
    assert len(text) <= 10_000
    first = text.decode().split('\n## ')[0]
    for needed in ('FreeKD', 'Stage 1', 'tools/train.py', 'tools/distill.py'):
        assert needed in first


# numbers

READER = {
    'teacher': 'teacher',
    'student alone': 'student',
    "alone, with the teacher's neck and head": 'inherit',
    'MSE': 'mse',
    'CWD': 'cwd',
    'PKD': 'pkd',
    'MGD': 'mgd',
    'FreeKD, `official`': 'freekd_official',
    'FreeKD, `paper`': 'freekd_paper',
    'FreeKD, `recommended`': 'freekd',
}
ABLATIONS = {
    'without prompts': 'no_prompts',
    'T = 1': 't1',
    'T = 6': 't6',
    'T = 8': 't8',
    'mean of the masks': 'mean_mask',
    'J = 2': 'j2',
    'J = 3': 'j3',
    'only the low band': 'low_only',
    'high bands weighted 1 / 3': 'high_third',
    'high bands weighted 3': 'high_triple',
    'only the high bands': 'high_only',
    'absolute differences': 'l1',
    'features not normalised': 'raw',
    'position weight of both sides': 'position',
    'position weight of the teacher alone': 'position_teacher',
    'position weight of the student alone': 'position_student',
    'position weight of both sides, by an MLP': 'position_mlp',
    'with spatial MSE': 'spatial_mse',
    'without the loss of the boxes': 'no_boxes',
    'alignment of 1 x 1 pixels': '1x1',
}


def table(page: str, first: str) -> Dict[str, Tuple[str, ...]]:
    """The rows of a table, by their first cells."""
    _, _, text = (ROOT / page).read_text().partition(f'| {first} |')
    lines = text.split('\n\n')[0].splitlines()[2:]
    cells = [[c.strip() for c in line.split('|')[1:-1]] for line in lines]
    return {label: tuple(values) for label, *values in cells}


def test_the_results_of_the_readme_are_those_of_the_file():
    rows = json.loads((RESULTS / 'evidence.json').read_text())
    shown = table('README.md', 'method')
    assert shown.keys() == READER.keys()
    for label, method in READER.items():
        for task, cell in zip(
            ('det-retinanet', 'det-reppoints', 'seg-pspnet'), shown[label]
        ):
            values = [
                row['value']
                for row in rows
                if (row['task'], row['method']) == (task, method)
                and not row['corrupted']
            ]
            expected = number(*mean_and_error(values)) if values else ''
            assert cell == expected, (label, task)


def test_what_the_docs_say_of_the_results_is_so():
    rows = json.loads((RESULTS / 'evidence.json').read_text())
    page = ' '.join((ROOT / 'docs/evidence.md').read_text().split())
    values = {
        (task, method): by_seed(
            [
                row
                for row in rows
                if (row['task'], row['method']) == (task, method)
                and not row['corrupted']
            ]
        )
        for task in ('det-retinanet', 'det-reppoints', 'seg-pspnet')
        for method in READER.values()
    }
    behind = {}
    for (task, method), own in values.items():
        best = difference(values[task, 'freekd'], own or {})
        assert not best[0] < 0 or method == 'teacher'
        behind[task, method] = number(*difference(values[task, 'mse'], own))
    for method in ('freekd_paper', 'freekd_official'):
        assert all(
            float(behind[task, method].split()[0]) > 0
            and difference(own, values[task, 'student'])[0] > 0
            for (task, which), own in values.items()
            if which == method
        )
    retinanet, reppoints, pspnet = (
        behind[task, 'freekd_paper']
        for task in ('det-retinanet', 'det-reppoints', 'seg-pspnet')
    )
    assert (
        f'{retinanet} AP (RetinaNet), {reppoints} AP (RepPoints) and '
        f'{pspnet} mIoU'
    ) in page


def test_the_ablations_are_those_of_the_file():
    rows = json.loads((RESULTS / 'ablations.json').read_text())
    shown = table('docs/evidence.md', 'what')
    (base,) = shown.keys() - ABLATIONS.keys()
    assert base.startswith('`recommended`')
    for i, task in enumerate(('retinanet', 'pspnet')):
        runs = {
            which: by_seed(
                [
                    row
                    for row in rows
                    if row['config'] == f'freekd{which}_{task}_textures'
                ]
            )
            for which in ('', *(f'_{a}' for a in ABLATIONS.values()))
        }
        own = runs['']
        assert shown[base][i] == number(*mean_and_error([*own.values()]))
        for label, which in ABLATIONS.items():
            found = difference(runs[f'_{which}'], own)
            expected = number(*found, signed=True)
            expected = re.sub(r'^[+-](0\.0 )', r'\1', expected)
            assert shown[label][i] == expected, (label, task)


def test_the_presets_of_the_docs_are_those_of_the_code():
    shown = table('docs/configuration.md', 'Value')
    fields = vars(PRESETS['paper'])
    assert {key.strip('`') for key in shown} == fields.keys()
    for key, cells in shown.items():
        for preset, cell in zip(
            ('paper', 'official', 'plus', 'recommended'), cells
        ):
            assert getattr(PRESETS[preset], key.strip('`')) == eval(cell)


MODELS = 'mmfreekd/models'


@pytest.mark.parametrize(
    'heading, path',
    [
        ('`model`', f'{MODELS}/algorithms/freekd_distill.py'),
        ('`distiller`', f'{MODELS}/distillers/freekd_distiller.py'),
        ('FreeKDLoss', f'{MODELS}/losses/freekd_loss.py'),
    ],
)
def test_the_docs_list_the_arguments_with_their_defaults(heading, path):
    page = (ROOT / 'docs/configuration.md').read_text()
    section = page.split(f'## {heading}')[1].split('\n## ')[0]
    rows = re.findall(r'^\| (`.*?`) \| (.*?) \|', section, re.M)
    shown = {
        argument: default.strip('`')
        for names, default in rows
        for argument in re.findall(r'`(\w+)`', names)
    }
    init = next(
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if getattr(node, 'name', '') == '__init__'
    ).args
    names = [arg.arg for arg in init.args[1:]]
    given = ['required'] * (len(names) - len(init.defaults))
    given += map(ast.unparse, init.defaults)
    actual = dict(zip(names, given))
    actual.pop('data_preprocessor', None)  # mmengine passes it
    assert shown == actual
