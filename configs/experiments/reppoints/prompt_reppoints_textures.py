# stage 1: frequency prompts as in the paper, T = 2
_base_ = './reppoints_r18w32_textures.py'
max_iters = 200
model = dict(
    _delete_=True,
    type='mmfreekd.FrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt='work_dirs/reppoints_r18w32_textures/iter_3000.pth',
    source='neck',
    channels=64,
    num_levels=3,
    preset='paper')
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01, weight_decay=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters,
         eta_min=1e-6)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook')
]
