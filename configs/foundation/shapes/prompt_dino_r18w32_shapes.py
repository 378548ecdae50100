# stage 1 on the small DINO. Its tokens come from a LayerNorm, 256 channels of
# unit size, for which the usual learning rate of 0.01 is too large: see
# docs/stage_1.md
_base_ = './dino_r18w32_shapes.py'
max_iters = 60
model = dict(
    _delete_=True,
    type='mmfreekd.FrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt='work_dirs/dino_r18w32_shapes/iter_150.pth',
    source='encoder',
    channels=256,
    num_levels=3)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters,
         eta_min=1e-6)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook')
]
