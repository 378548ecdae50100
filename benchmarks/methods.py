"""The methods on real images, as changes of a pair's ``distill.py``.

All have its data, schedule, student, alignment and inheritance, and differ in
the loss.
"""

from typing import Any, Dict

LOSS = 'model.distiller.distill_losses.loss_kd'
PLAIN = dict(
    mse=dict(type='mmrazor.L2Loss', normalize=False, div_element=True),
    cwd=dict(type='mmrazor.ChannelWiseDivergence', tau=1.0),
    pkd=dict(type='mmrazor.PKDLoss'),
)
UNMASKED = dict(num_prompts=0, prompt_ckpt=None)
RECOMMENDED = dict(preset='recommended')
CONTROL = dict(RECOMMENDED, type='mmfreekd.MaskControlLoss')
FREEKD: Dict[str, Dict[str, Any]] = dict(
    # the teacher's neck and head, and nothing else
    inherit=dict(UNMASKED, position_gate=None, loss_weight=0.0),
    fkd=dict(UNMASKED, position_gate=None),
    freekd_official=dict(preset='official'),
    freekd_paper={},
    freekd=RECOMMENDED,
    # what the masks of the recommended preset are worth
    freekd_shuffled=dict(CONTROL, change='shuffled'),
    freekd_flat=dict(CONTROL, change='flat'),
    freekd_unmasked=dict(RECOMMENDED, **UNMASKED),
    # candidates, for short trainings on val
    freekd_squared=dict(CONTROL, change='squared', prompt_reduction='mean'),
    freekd_magnitude=dict(CONTROL, change='magnitude'),
    freekd_energy=dict(
        RECOMMENDED, type='mmfreekd.EnergyMaskLoss', **UNMASKED
    ),
)
CANDIDATES = ('freekd_squared', 'freekd_magnitude', 'freekd_energy')
# take the share of the loss weight that was chosen for another method
SHARE_OF = dict.fromkeys(
    ('freekd_shuffled', 'freekd_flat', 'freekd_unmasked'), 'freekd'
)


def method_options(method: str, distiller: dict) -> dict:
    """What turns ``distill.py`` into that of a method.

    Args:
        method (str): The method.
        distiller (dict): The distiller of ``distill.py``.

    Returns:
        dict: Dotted keys and their values.
    """
    loss = distiller['distill_losses']['loss_kd']
    if method in PLAIN:
        plain = _pyramid(PLAIN[method], len(loss['channels']))
        return {LOSS: dict(plain, _delete_=True)}
    if method == 'mgd':
        return _mgd(distiller)
    options = {f'{LOSS}.{k}': v for k, v in FREEKD[method].items()}
    if method == 'freekd_official':
        paper = loss['prompt_ckpt']
        options[f'{LOSS}.prompt_ckpt'] = paper.replace(
            '/prompt/', '/prompt_official/'
        )
    return options


def _pyramid(loss: dict, num_levels: int) -> dict:
    return dict(
        type='mmfreekd.PyramidLoss',
        loss=loss,
        num_levels=num_levels,
        loss_weight=1.0,
    )


def _mgd(distiller: dict) -> dict:
    """Masked generative distillation, whose connector generates."""
    align = distiller['connectors']['align']
    channels = list(zip(align['in_channels'], align['out_channels']))
    loss = dict(type='mmrazor.MGDLoss', alpha_mgd=1.0)
    return {
        LOSS: dict(_pyramid(loss, len(channels)), _delete_=True),
        'model.distiller.connectors.align': dict(
            _delete_=True,
            type='mmfreekd.PyramidConnector',
            connectors=[
                dict(
                    type='mmrazor.MGDConnector',
                    student_channels=student,
                    teacher_channels=teacher,
                    lambda_mgd=0.65,
                )
                for student, teacher in channels
            ],
        ),
    }
