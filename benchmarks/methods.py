"""The methods and ablations, as changes of a pair's ``distill.py``.

All of a pair have its data, schedule, student, alignment and inheritance, and
differ in the loss. What is chosen for one pair stands in its ``distill.py``:
``recommended``, changes of that preset; ``aids``, what the recommended recipe
has beside its loss, as changes of the model; ``mse_weight``.
"""

from typing import Any, Dict

LOSSES = 'model.distiller.distill_losses'
MAPPINGS = 'model.distiller.loss_forward_mappings'
LOSS = f'{LOSSES}.loss_kd'
L2 = dict(type='mmrazor.L2Loss', normalize=False, div_element=True)
PLAIN = dict(
    mse=L2,
    cwd=dict(type='mmrazor.ChannelWiseDivergence', tau=1.0),
    pkd=dict(type='mmrazor.PKDLoss'),
    # with all that the recommended recipe has, except its loss
    pkd_aided=dict(type='mmrazor.PKDLoss'),
)
UNMASKED = dict(num_prompts=0, prompt_ckpt=None)
CONTROL = dict(type='mmfreekd.MaskControlLoss')
FREEKD: Dict[str, Dict[str, Any]] = dict(
    # the teacher's neck and head, and nothing else
    inherit=dict(UNMASKED, position_gate=False, loss_weight=0.0),
    fkd=dict(UNMASKED, position_gate=False),
    freekd_official=dict(preset='official'),
    freekd_paper={},
    freekd_plus=dict(preset='plus'),
    freekd={},
    # what the masks of the recommended preset are worth
    freekd_shuffled=dict(CONTROL, change='shuffled'),
    freekd_flat=dict(CONTROL, change='flat'),
    freekd_unmasked=UNMASKED,
    # candidates, for short trainings on val
    freekd_squared=dict(CONTROL, change='squared'),
    freekd_magnitude=dict(CONTROL, change='magnitude'),
    freekd_energy=dict(UNMASKED, type='mmfreekd.EnergyMaskLoss'),
)
CONTROLS = ('freekd_shuffled', 'freekd_flat', 'freekd_unmasked')
CANDIDATES = ('freekd_squared', 'freekd_magnitude', 'freekd_energy')
RECOMMENDED = ('freekd', *CONTROLS, *CANDIDATES)
AIDED = ('pkd_aided', *RECOMMENDED)
# take the share of the loss weight that was chosen for another method
SHARE_OF = dict.fromkeys(CONTROLS, 'freekd')
# further changes of the preset of 'freekd'
ABLATIONS: Dict[str, Dict[str, Any]] = dict(
    no_prompts=dict(num_prompts=0),
    t1=dict(num_prompts=1),
    t6=dict(num_prompts=6),
    t8=dict(num_prompts=8),
    j2=dict(levels=2),
    j3=dict(levels=3),
    low_only=dict(high_weight=0.0),
    high_only=dict(low_band=False),
    high_third=dict(high_weight=1 / 3),
    high_triple=dict(high_weight=3.0),
    l1=dict(low_penalty='l1', high_penalty='l1'),
    raw=dict(normalize=False),
    mean_mask=dict(prompt_reduction='mean'),
    position=dict(position_gate=dict(side='both')),
    position_student=dict(position_gate=dict(side='student')),
    position_teacher=dict(position_gate=dict(side='teacher')),
    position_mlp=dict(position_gate=dict(hidden_channels=128)),
    # without an aid, or with the spatial loss of the official recipe
    no_boxes={},
    align_1x1={},
    spatial_mse={},
)


def method_options(method: str, cfg: dict) -> dict:
    """What turns ``distill.py`` into that of a method or ablation.

    Args:
        method (str): The method or ablation.
        cfg (dict): The config ``distill.py``.

    Returns:
        dict: Dotted keys and their values.
    """
    options = {}
    loss = cfg['model']['distiller']['distill_losses']['loss_kd']
    if method in (*AIDED, *ABLATIONS) and 'aids' in cfg:
        options['model'] = cfg['aids']
    if method in PLAIN:
        plain = _pyramid(PLAIN[method], _num_levels(loss))
        return {**options, LOSS: dict(plain, _delete_=True)}
    if method == 'mgd':
        return _mgd(cfg['model']['distiller'])
    changes = FREEKD.get(method, {})
    options.update({f'{LOSS}.{key}': v for key, v in changes.items()})
    if method in (*RECOMMENDED, *ABLATIONS):
        preset = dict(name='recommended', **cfg.get('recommended', {}))
        preset.update(ABLATIONS.get(method, {}))
        if method == 'freekd_squared':
            preset['prompt_reduction'] = 'mean'
        if 'preset' in loss:
            preset['_delete_'] = True  # a name is no dict to merge into
        options[f'{LOSS}.preset'] = preset
    if method == 'freekd_official':
        options.update(_official_prompts(loss, cfg))
    if method == 'no_boxes':
        options[f'{LOSSES}.loss_boxes.loss_weight'] = 0.0
    elif method == 'align_1x1':
        options['model.distiller.connectors.align.kernel_size'] = 1
    elif method == 'spatial_mse':
        options.update(_spatial_mse(cfg))
    return options


def _official_prompts(loss: dict, cfg: dict) -> dict:
    """They start at about three times the feature, and take longer."""
    if 'prompt_ckpt' not in loss:
        return {'stage_1.max_iters': 4 * cfg['stage_1']['max_iters']}
    path = loss['prompt_ckpt'].replace('/prompt/', '/prompt_official/')
    return {f'{LOSS}.prompt_ckpt': path}


def _spatial_mse(cfg: dict) -> dict:
    distiller = cfg['model']['distiller']
    levels = _num_levels(distiller['distill_losses']['loss_kd'])
    mse = dict(_pyramid(L2, levels), loss_weight=cfg['mse_weight'])
    mapping = distiller['loss_forward_mappings']['loss_kd']
    return {f'{LOSSES}.loss_mse': mse, f'{MAPPINGS}.loss_mse': mapping}


def _num_levels(loss: dict) -> int:
    if isinstance(loss['channels'], int):
        return loss.get('num_levels', 1)
    return len(loss['channels'])


def _pyramid(loss: dict, num_levels: int) -> dict:
    return dict(
        type='mmfreekd.PyramidLoss',
        loss=loss,
        num_levels=num_levels,
        loss_weight=1.0,
    )


def _mgd(distiller: dict) -> dict:
    """Masked generative distillation, whose connector generates."""
    channels = _channels(distiller)
    connectors = [
        dict(
            type='mmrazor.MGDConnector',
            student_channels=student,
            teacher_channels=teacher,
            lambda_mgd=0.65,
        )
        for student, teacher in channels
    ]
    align = dict(type='mmfreekd.PyramidConnector', connectors=connectors)
    loss = distiller['distill_losses']['loss_kd']
    if isinstance(loss['channels'], int) and len(connectors) == 1:
        align = connectors[0]  # of a map, no pyramid
    loss = _pyramid(dict(type='mmrazor.MGDLoss', alpha_mgd=1.0), len(channels))
    if 'connectors' in distiller:
        align['_delete_'] = True  # nothing of the alignment
    return {
        LOSS: dict(loss, _delete_=True),
        'model.distiller.connectors.align': align,
        f'{MAPPINGS}.loss_kd.s_feature.connector': 'align',
    }


def _channels(distiller: dict) -> list:
    """Student's and teacher's channels of each pyramid level."""
    align = distiller.get('connectors', {}).get('align')
    if align is None:  # the widths are equal
        loss = distiller['distill_losses']['loss_kd']
        return [(loss['channels'],) * 2] * _num_levels(loss)
    sides = [align['in_channels'], align['out_channels']]
    return list(zip(*([c] if isinstance(c, int) else c for c in sides)))
