"""Which parameters of a student a distillation reaches."""

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel

from .distillers import FreeKDDistiller
from .probe import SIZE_ERRORS, example_batch, image_shapes
from .sources import StopAfter, composite_mode


def freeze_unreached(
    student: BaseModel, run: StopAfter, distiller: FreeKDDistiller
) -> None:
    """Freeze the parameters that get no gradient from what is compared.

    Distributed training would wait for their gradients, and weight decay
    would pull them to zero.

    Args:
        student (BaseModel): The student.
        run (StopAfter): Runs it as far as the recorded layers.
        distiller (FreeKDDistiller): Records them.

    Raises:
        RuntimeError | ValueError | AssertionError | IndexError: If the
            student does not run on small images.
    """
    modes = {module: module.training for module in student.modules()}
    composite_mode(student, True)
    try:
        images = image_shapes(student)
        for image in images:
            try:
                with torch.enable_grad(), torch.random.fork_rng(devices=[]):
                    with distiller.student_recorders:
                        run(*example_batch(student, image), mode='tensor')
                break
            except SIZE_ERRORS:
                if image == images[-1]:
                    raise
    finally:
        for module, mode in modes.items():
            module.training = mode
    reached = [
        x.float().sum()
        for name in distiller.loss_forward_mappings
        for _, levels in distiller.student_features(name)
        for x in levels
        if x.requires_grad
    ]
    if not reached:
        return  # refused in the first iteration, with the reason
    named = [(n, p) for n, p in student.named_parameters() if p.requires_grad]
    student.zero_grad()
    # unlike autograd.grad, it passes through with_cp=True
    sum(reached).backward()
    frozen = [name for name, parameter in named if parameter.grad is None]
    student.zero_grad()
    for name, parameter in named:
        parameter.requires_grad_(name not in frozen)
    for recorder in distiller.student_recorders.recorders.values():
        recorder.reset_data_buffer()
    if frozen:
        print_log(
            f'{len(frozen)} parameters of the student come after the recorded '
            'layers and are frozen, because there is no task loss: '
            f'{", ".join(sorted({n.split(".")[0] for n in frozen}))}',
            logger='current',
        )
