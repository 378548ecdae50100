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
    freekd_shuffled=dict(CONTROL, control='shuffled'),
    freekd_flat=dict(CONTROL, control='flat'),
    freekd_unmasked=dict(RECOMMENDED, **UNMASKED),
)
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
    """Masked generative distillation: a connector for each pyramid level."""
    connectors, losses, mappings = {}, {}, {}
    mgd = dict(type='mmrazor.MGDLoss', alpha_mgd=1.0)
    align = distiller['connectors']['align']
    levels = list(zip(align['in_channels'], align['out_channels']))
    for i, (student, teacher) in enumerate(levels):
        connectors[f'mgd_{i}'] = dict(
            type='mmrazor.MGDConnector',
            student_channels=student,
            teacher_channels=teacher,
            lambda_mgd=0.65,
        )
        losses[f'loss_kd_{i}'] = _pyramid(mgd, 1)
        one = dict(recorder='feature')
        if len(levels) > 1:
            one['data_idx'] = i
        mappings[f'loss_kd_{i}'] = dict(
            s_feature=dict(one, from_student=True, connector=f'mgd_{i}'),
            t_feature=dict(one, from_student=False),
        )
    return {
        'model.distiller.connectors': dict(connectors, _delete_=True),
        'model.distiller.distill_losses': dict(losses, _delete_=True),
        'model.distiller.loss_forward_mappings': dict(mappings, _delete_=True),
    }
