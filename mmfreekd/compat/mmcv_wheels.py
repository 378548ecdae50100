"""The command that installs an MMCV with operators for the PyTorch here."""

# (torch, CUDA): the onedl-mmcv to take, from the list in OneDL's docs
WHEELS = {
    ('2.8', 'cpu'): '2.3.6',
    ('2.8', '12.8'): '2.3.6',
    ('2.8', '12.9'): '2.3.6',
    ('2.9', 'cpu'): '2.3.6',
    ('2.9', '12.9'): '2.3.6',
    ('2.10', 'cpu'): '2.3.6',
    ('2.10', '12.9'): '2.3.6',
    ('2.12', 'cpu'): '2.3.7',
    ('2.12', '13.0'): '2.3.7',
}
INDEX = 'https://mmwheels.onedl.ai'  # as onedl-mim 0.5.1 has it


def wheel_command(torch: str, cuda: str) -> str:
    """The line that installs OneDL's wheel, for a key of ``WHEELS``."""
    device = cuda if cuda == 'cpu' else 'cu' + cuda.replace('.', '')
    folder = f'{device}-torch{torch.replace(".", "")}0'
    return (
        f'pip install --only-binary onedl-mmcv '
        f'onedl-mmcv=={WHEELS[torch, cuda]} '
        f'-f {INDEX}/{folder}/simple/onedl-mmcv/index.html'
    )


def compile_command(package: str, cuda: str = 'cpu') -> str:
    """The line that compiles MMCV, ``'mmcv==2.1.0'`` for example."""
    variables = 'MMCV_WITH_OPS=1' + ' FORCE_CUDA=1' * (cuda != 'cpu')
    name = package.split('==')[0]
    return (
        f"pip install 'setuptools>=77,<82' wheel ninja; {variables} pip "
        f'install --no-build-isolation --no-cache-dir --no-binary {name} '
        f'{package}'
    )


def mmcv_command(stack: str) -> str:
    """The line for the installed torch: a wheel of OneDL's, or compiling.

    Args:
        stack (str): Key of ``versions.STACKS``. OpenMMLab publishes no wheels
            of MMCV 2.1.0 for torch 2.2 and later.
    """
    from .versions import STACKS

    package = '=='.join(STACKS[stack]['mmcv'])
    try:
        import torch
    except ImportError:
        return f'install torch, then: {compile_command(package)}'
    cuda = torch.version.cuda or 'cpu'
    minor = '.'.join(torch.__version__.split('.')[:2])
    if stack == 'onedl' and (minor, cuda) in WHEELS:
        return wheel_command(minor, cuda)
    return compile_command(package, cuda) + (
        '. docs/installation.md lists the versions of torch and CUDA that '
        'need no compiler'
    ) * (cuda != 'cpu')
