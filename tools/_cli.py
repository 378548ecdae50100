"""What the tools have in common."""

import argparse
import os
import sys
import time
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
if (CLONE / 'mmfreekd').is_dir():
    # run from a clone: its code goes before that of an installed mmfreekd,
    # which the start-up file may have imported already
    sys.path.insert(0, str(CLONE))
    loaded = sys.modules.get('mmfreekd')
    if loaded and Path(loaded.__file__).parents[1] != CLONE:
        for name in [n for n in sys.modules if n.startswith('mmfreekd')]:
            del sys.modules[name]

from mmengine.config import DictAction  # noqa: E402

from mmfreekd.errors import UsageError  # noqa: E402
from mmfreekd.explain import explain  # noqa: E402

try:
    import mmfreekd.registry  # noqa: F401
except UsageError as error:  # of versions that do not work together
    sys.exit(f'error: {error}')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that train.py and test.py know."""
    parser.add_argument(
        '--work-dir',
        help='where logs and results go. Defaults to work_dir of the config, '
        'then to work_dirs/ and the name of the config',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change the config: model.distiller.loss_weight=2. Write '
        'lists as key="[a,b]", with quotation marks and no blanks',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes. Defaults to none',
    )
    # torch.distributed.launch says --local-rank, older ones --local_rank
    parser.add_argument(
        '--local-rank',
        '--local_rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file that a converter writes, for :func:`free_target`."""
    parser.add_argument('target', metavar='OUT', help='the file to write')
    parser.add_argument(
        '--force', action='store_true', help='replace OUT if it is there'
    )


def free_target(args: argparse.Namespace) -> Path:
    """Return the file to write, one of PyTorch's.

    Args:
        args (argparse.Namespace): With what :func:`add_target_arguments`
            adds.

    Raises:
        UsageError: If it is a folder, there and not to be replaced, or has
            the name of another kind of file.
    """
    target = Path(args.target)
    if target.is_dir():
        raise UsageError(f'OUT: a file was expected, but {target} is a folder')
    if target.exists() and not args.force:
        raise UsageError(
            f'OUT: {target} is there already. Give another name, or --force '
            'to replace it'
        )
    if target.suffix == '.safetensors':
        raise UsageError(
            f'OUT: {target} would be a PyTorch file under a name that says '
            'otherwise: call it .pth'
        )
    return target


def load_config(args: argparse.Namespace):
    """Read the config and put in what the command line says.

    Args:
        args (argparse.Namespace): With ``config`` and what
            :func:`add_common_arguments` adds.

    Returns:
        mmengine.config.Config: The config.

    Raises:
        UsageError: If there is no such config, or it cannot be read.
    """
    from mmengine.device import get_device

    from mmfreekd.doctor.configs import read_config

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if get_device() == 'cpu':
        without_amp(cfg)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return cfg


def need_checkpoint(path: str) -> str:
    """Return a path or an address; raise UsageError for a missing file."""
    if '://' not in path and not Path(path).is_file():
        raise UsageError(
            f'a checkpoint was expected, but there is no {path!r}'
            '. Look into the work_dir of the training'
        )
    return path


def build_runner(cfg):
    """Build the runner, on CPU processes as well as on GPUs.

    Its model refuses a checkpoint that holds nothing of it, and brings along
    the hooks of its stage.

    Returns:
        mmengine.runner.Runner: The runner, or what ``runner_type`` names.
    """
    from mmengine.device import get_device
    from mmengine.model import is_model_wrapper
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from mmfreekd.checkpoints import refuse_foreign
    from mmfreekd.engine.hooks import FreeKDHook

    if cfg.launcher != 'none' and get_device() == 'cpu':
        use_cpu_processes(cfg)
    runner = (
        RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    )
    model = runner.model
    refuse_foreign(model.module if is_model_wrapper(model) else model)
    runner.register_hook(FreeKDHook())
    return runner


def use_cpu_processes(cfg) -> None:
    """Let the processes talk through gloo where there is no accelerator.

    mmengine selects a GPU for every process before anything else, and wraps
    the model for that GPU. Without one, the process group is made here, which
    mmengine then leaves alone.

    Raises:
        UsageError: If the launcher is not torchrun's.
    """
    from datetime import timedelta

    import torch.distributed
    from mmengine.logging import print_log

    if cfg.launcher != 'pytorch':
        raise UsageError(
            'without a GPU, several processes are started by '
            f'tools/dist_train.sh or tools/dist_test.sh, not by '
            f'--launcher {cfg.launcher}'
        )
    if not torch.distributed.is_initialized():  # not by an earlier stage
        dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
        timeout = timedelta(seconds=dist_cfg.get('timeout', 1800))
        torch.distributed.init_process_group('gloo', timeout=timeout)
        if torch.distributed.get_rank() == 0:
            print_log('No GPU: the processes talk through gloo, on the CPU.')
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}
    if cfg.pop('sync_bn', None):
        print_log('sync_bn is ignored: SyncBN works on GPUs only.')
    without_sync_bn(cfg.model)


def without_sync_bn(part) -> None:
    """Take BN for SyncBN in a model's config; it synchronises GPUs only."""
    if isinstance(part, (list, tuple)):
        for item in part:
            without_sync_bn(item)
    elif isinstance(part, dict):
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
        for item in part.values():
            without_sync_bn(item)


def without_amp(cfg) -> None:
    """Train in float32 where there is no GPU for mixed precision."""
    wrapper = cfg.get('optim_wrapper') or {}
    if wrapper.get('type') == 'AmpOptimWrapper':
        print('No GPU: AmpOptimWrapper is replaced by OptimWrapper.')
        wrapper['type'] = 'OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fp64'):
            wrapper.pop(key, None)


def run(main) -> None:
    """Run a tool; show a mistake of the user without a traceback.

    Args:
        main (Callable): The tool. It exits with status 2 if it raises
            UsageError, or what :func:`mmfreekd.explain.explain` knows.
    """
    try:
        main()
        leave_together()
    except Exception as error:
        said = explain(error)
        if said is None:
            raise
        if os.environ.get('LOCAL_RANK', '0') != '0':
            # the first process says it too and ends this one, or it is well
            if 'RANK' not in os.environ:
                sys.exit(2)
            time.sleep(10)
        print(f'error: {said}', file=sys.stderr, flush=True)
        sys.exit(2)


def wait_for_all() -> None:
    """Let all processes come to the same point, and see the same files."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def leave_together() -> None:
    """End the process group; gloo may abort where one leaves first."""
    import torch.distributed as dist

    wait_for_all()
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
