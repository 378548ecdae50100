# stage 1 on the small DINO
_base_ = './dino_r18w32_shapes.py'
max_iters = 20
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
