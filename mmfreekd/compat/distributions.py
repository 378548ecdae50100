"""OneDL's distributions, where mmengine and mim expect other names."""

from pathlib import Path

from .versions import STACKS, installed


def name_distributions(module) -> None:
    """Make ``_base_ = 'mmfreekd::...'``, and OneDL's ``mmseg::``, work.

    Args:
        module (ModuleType): ``mmengine.config.utils``.
    """
    module.MODULE2PACKAGE['mmfreekd'] = 'mmfreekd'
    for name, (distribution, _) in STACKS['onedl'].items():
        if name in module.MODULE2PACKAGE and installed(distribution):
            module.MODULE2PACKAGE[name] = distribution


def find_plugins(module) -> None:
    """Make ``mim train mmfreekd`` work with onedl-mim 0.5.1.

    It takes the folder of the first installed file for the package. That is
    ``mmfreekd-x.y.z.dist-info``: file names are sorted, and only OneDL's own
    distributions, whose names begin with ``onedl_``, come after their module.

    Args:
        module (ModuleType): ``mim.utils.utils``.
    """
    original = module.get_installed_path

    def get_installed_path(package: str) -> str:
        path = Path(original(package))
        if path.suffix == '.dist-info':
            path = path.with_name(module.package2module(package))
        return str(path)

    module.get_installed_path = get_installed_path
