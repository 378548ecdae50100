"""Package mmfreekd, with what ``mim`` looks for inside it."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
MIM_CONTENTS = ('tools', 'configs', 'model-index.yml')
EXTRAS = (
    *('onedl', 'openmmlab'),  # one of these, see docs/installation.md
    *('mim', 'robustness', 'sam', 'tests', 'wavelets'),
)


def copy_mim_contents(package: Path) -> None:
    """Put copies of ``MIM_CONTENTS`` into ``.mim`` of a package being built.

    Args:
        package (Path): The directory of the package.
    """
    target = fresh_mim_directory(package)
    ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
    for name in MIM_CONTENTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy2(source, target / name)


def link_mim_contents() -> None:
    """The same for a package that stays in the source tree: links."""
    target = fresh_mim_directory(ROOT / 'mmfreekd')
    for name in MIM_CONTENTS:
        (target / name).symlink_to(Path('..', '..', name))


def fresh_mim_directory(package: Path) -> Path:
    """Return the empty directory ``.mim`` of a package."""
    target = package / '.mim'
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return target


class BuildPyWithMim(build_py):
    """For wheels and ``editable_wheel``, which builds in the tree."""

    def run(self):
        super().run()
        if self.editable_mode:
            link_mim_contents()
        else:
            copy_mim_contents(Path(self.build_lib) / 'mmfreekd')


class DevelopWithMim(develop):
    """For ``develop``, which before setuptools 80 builds nothing."""

    def run(self):
        link_mim_contents()
        super().run()


class SdistWithMim(sdist):
    """For source packages: they hold ``.mim`` like the wheels."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy_mim_contents(Path(base_dir) / 'mmfreekd')


def version() -> str:
    """``__version__`` of the package, without importing it."""
    found = {}
    exec((ROOT / 'mmfreekd' / 'version.py').read_text(), found)
    return found['__version__']


def requirements(name: str) -> list:
    """The lines of ``requirements/<name>.txt`` that are no comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


if __name__ == '__main__':
    setup(
        name='mmfreekd',
        version=version(),
        description='FreeKD, knowledge distillation by frequency prompts, '
        'for MMDetection and MMSegmentation',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        author='The mmfreekd authors',
        license='Apache-2.0',
        license_files=['LICENSE'],
        keywords='knowledge distillation, wavelets, object detection, '
        'semantic segmentation, OpenMMLab',
        classifiers=[
            'Development Status :: 4 - Beta',
            'Intended Audience :: Science/Research',
            'Operating System :: POSIX :: Linux',
            'Programming Language :: Python :: 3.10',
            'Programming Language :: Python :: 3.11',
            'Programming Language :: Python :: 3.12',
            'Topic :: Scientific/Engineering :: Artificial Intelligence',
        ],
        python_requires='>=3.10,<3.13',
        packages=find_packages(include=['mmfreekd', 'mmfreekd.*']),
        install_requires=requirements('runtime'),
        extras_require={name: requirements(name) for name in EXTRAS},
        cmdclass={
            'build_py': BuildPyWithMim,
            'develop': DevelopWithMim,
            'sdist': SdistWithMim,
        },
        zip_safe=False,
    )
