"""What docstrings and files for developers say is so."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest
import yaml

import mmfreekd
from mmfreekd.compat.versions import STACKS

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path
    for folder in ('mmfreekd', 'tools')
    for path in (ROOT / folder).rglob('*.py')
    if '.mim' not in path.parts
)
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
ARGUMENT = re.compile(r'^    (\*{0,2}\w+)(?: \((.*?)\))?: ', re.M | re.S)


def documented(tree: ast.AST) -> Iterator[Tuple[str, str, ast.arguments]]:
    """Name, docstring and signature of functions and classes."""
    for node in ast.walk(tree):
        arguments = None
        if isinstance(node, FUNCTIONS):
            arguments = node.args
        elif isinstance(node, ast.ClassDef):
            arguments = next(
                (
                    part.args
                    for part in node.body
                    if isinstance(part, FUNCTIONS) and part.name == '__init__'
                ),
                None,
            )
        if arguments and ast.get_docstring(node):
            yield node.name, ast.get_docstring(node), arguments


def said(docstring: str) -> Dict[str, str]:
    """From each argument to the default that its docstring names."""
    _, _, section = docstring.partition('\nArgs:\n')
    section = re.split(r'^\S', section, flags=re.M)[0]
    starts = list(ARGUMENT.finditer(section))
    ends = [match.start() for match in starts[1:]] + [len(section)]
    texts = {
        start[1]: ' '.join(section[start.end() : end].split())
        for start, end in zip(starts, ends)
    }
    found = {
        n: re.search(r'Defaults to (.+?)\.?$', t) for n, t in texts.items()
    }
    # ``words`` describe a default that is made by the function itself
    return {
        name: match[1]
        for name, match in found.items()
        if match and not match[1].startswith('``')
    }


def defaults(arguments: ast.arguments) -> Dict[str, str]:
    """From each argument to its default, as Python writes it."""
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(plain), reversed(arguments.defaults)),
        *zip(arguments.kwonlyargs, arguments.kw_defaults),
    ]
    return {arg.arg: ast.unparse(value) for arg, value in pairs if value}


def same(value: str, expected: str) -> bool:
    """Whether two pieces of Python mean the same."""
    try:
        return ast.literal_eval(value) == ast.literal_eval(expected)
    except (SyntaxError, ValueError):
        return False


def wrong_defaults(source: str) -> list:
    wrong = []
    for name, docstring, arguments in documented(ast.parse(source)):
        actual = defaults(arguments)
        for argument, value in said(docstring).items():
            expected = actual.get(argument, 'required')
            if not same(value, expected):
                wrong.append(f'{name}({argument}): {value}, is {expected}')
    return wrong


@pytest.mark.parametrize(
    'path', FILES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_defaults_are_those_of_the_signature(path):
    assert wrong_defaults(path.read_text()) == []


@pytest.mark.parametrize(
    'signature, text, wrong',
    [
        ('a=3', 'a (int): Levels. Defaults to 3.', []),
        ('a=3', 'a (int): Levels. Defaults\n            to 3.', []),
        ("a='x'", "a (str): None: y. Defaults to 'x'.", []),
        ('*, a=None', 'a (int, optional): b. Defaults to None.', []),
        ('a=(0, 1)', 'a (list[int]): b. Defaults to (0, 1).', []),
        ('a=1e-3', 'a (float): b. Defaults to 0.001.', []),
        ('a=[]', 'a (list): b. Defaults to ``new()``.', []),
        ('a=4', 'a (int): Levels. Defaults to 3.', ['f(a)']),
        ('a=4', 'a (int): Levels.', []),
        ('a', 'a (int): Levels. Defaults to 3.', ['f(a)']),
        ('a=1, b=2', 'a (int): x. Defaults to 2.', ['f(a)']),
    ],
)
def test_a_wrong_default_is_found(signature, text, wrong):
    source = f'''
def f({signature}):
    """Do.

    Args:
        {text}

    Returns:
        int: Something. Defaults to 9.
    """
'''
    assert [w.split(':')[0] for w in wrong_defaults(source)] == wrong


def test_the_defaults_are_found_at_all():
    found = [
        argument
        for path in FILES
        for _, docstring, _ in documented(ast.parse(path.read_text()))
        for argument in said(docstring)
    ]
    assert len(found) > 80


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_pre_commit_runs_the_pinned_ruff():
    config = yaml.safe_load(read('.pre-commit-config.yaml'))
    revisions = {repo['repo']: repo['rev'] for repo in config['repos']}
    (rev,) = (rev for repo, rev in revisions.items() if 'ruff' in repo)
    assert f'ruff=={rev.removeprefix("v")}\n' in read(
        'requirements/constraints.txt'
    )
    hooks = {hook['id'] for repo in config['repos'] for hook in repo['hooks']}
    assert hooks == {'ruff-check', 'ruff-format', 'codespell', 'mypy'}


def test_ci_runs_the_targets_of_make():
    workflow = yaml.safe_load(read('.github/workflows/ci.yml'))
    commands = [
        step['run']
        for job in workflow['jobs'].values()
        for step in job['steps']
        if 'run' in step
    ]
    targets = re.findall(r'^(\w[\w-]*):', read('Makefile'), re.M)
    made = [c.split()[1] for c in commands if c.startswith('make ')]
    assert made == ['env', 'lint', 'test', 'test-core']
    assert {*made} <= {*targets}
    stacks = workflow['jobs']['test']['strategy']['matrix']['stack']
    assert set(stacks) == set(STACKS)


def test_contributing_is_short_and_names_what_there_is():
    text = read('CONTRIBUTING.md')
    assert len(text.splitlines()) < 60
    targets = re.findall(r'^(\w[\w-]*):', read('Makefile'), re.M)
    for target in re.findall(r'`make ([\w-]+)`', text):
        assert target in targets
    for folder in re.findall(r'^\| `([\w/]+)`', text, re.M):
        assert (ROOT / folder).is_dir()


def test_citation_is_of_this_version():
    citation = yaml.safe_load(read('CITATION.cff'))
    assert citation['cff-version'] == '1.2.0'
    assert citation['version'] == mmfreekd.__version__
    assert citation['preferred-citation']['title'] in read('README.md')
