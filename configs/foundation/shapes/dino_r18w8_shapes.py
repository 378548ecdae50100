# the smaller DINO, the student, trained alone
_base_ = './dino_r18w32_shapes.py'
max_iters = 100
model = dict(
    backbone=dict(base_channels=8, stem_channels=8),
    neck=dict(in_channels=[16, 32, 64]),
    decoder=dict(num_layers=1))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters,
         eta_min=1e-5)
]
