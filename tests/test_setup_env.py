"""make env: what it refuses, and the compiler that it builds MMCV with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path):
    """As much of a clone as the script needs before it installs anything."""
    for name in ('.ci', 'requirements'):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(clone, stack='onedl', python=sys.executable):
    done = subprocess.run(
        [clone / '.ci/setup_env.sh', stack, python],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_an_unknown_stack_is_refused(clone):
    status, said = set_up(clone, stack='mmlab')
    assert status == 1 and "onedl or openmmlab, got 'mmlab'" in said


def test_an_unsupported_python_is_refused(clone):
    status, said = set_up(clone, python='false')
    assert status == 1 and 'make env PYTHON=python3.11' in said
    assert not (clone / '.venv').exists()


def test_a_linked_environment_is_used_as_it_is(clone):
    (clone / 'other').mkdir()
    (clone / '.venv').symlink_to('other')
    status, said = set_up(clone)
    assert status == 0 and 'used as it is' in said
    assert not list((clone / 'other').iterdir())


def test_the_other_stack_makes_way(clone):
    (clone / '.venv').mkdir()
    (clone / '.venv/stack').write_text('openmmlab\n')
    (clone / '.venv/leftover').touch()
    # a Python that can do nothing but say its version
    python = clone / 'python'
    python.write_text('#!/bin/sh\ntest "$1" = -c\n')
    python.chmod(0o755)
    status, said = set_up(clone, python=python)
    assert status == 1 and 'rebuilding it' in said
    assert "-m venv .venv' failed" in said
    assert not (clone / '.venv/leftover').exists()


@pytest.mark.skipif(not shutil.which('g++'), reason='needs GCC')
def test_the_compiler_parses_the_headers_once(tmp_path):
    for name in ('cpp_helper', 'device_registry'):
        header = tmp_path / f'pytorch_{name}.hpp'
        header.write_text('#pragma once\ninline int one() { return ONE; }\n')
        header.write_text(header.read_text().replace('one', name))
    environment = dict(os.environ, PCH_CXX='g++', PCH_DIR=str(tmp_path))
    compiler = ROOT / '.ci/cxx_pch'
    for source in 'ab':
        path = tmp_path / f'{source}.cpp'
        path.write_text(
            f'int {source}() {{ return cpp_helper() + device_registry(); }}'
        )
        command = [compiler, '-MMD', '-MF', path.with_suffix('.d')]
        command += ['-DONE=1', f'-I{tmp_path}', '-c', '-c', path]
        command += ['-o', path.with_suffix('.o')]
        subprocess.run(command, env=environment, check=True)
        made = (tmp_path / 'mmcv_pch.hpp.gch').stat().st_mtime_ns
        # without its text the header has to come from the precompiled file
        (tmp_path / 'pytorch_cpp_helper.hpp').write_text('')
    assert (tmp_path / 'mmcv_pch.hpp.gch').stat().st_mtime_ns == made
    assert path.with_suffix('.o').exists() and path.with_suffix('.d').exists()
