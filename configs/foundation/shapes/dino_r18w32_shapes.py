# a small DINO on the shapes, the teacher
_base_ = [
    '../../_base_/models/dino_shapes.py',
    '../../_base_/datasets/shapes_coco.py', '../../_base_/schedules/shapes.py'
]
default_scope = 'mmdet'
max_iters = 150
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4, weight_decay=1e-4), clip_grad=dict(max_norm=0.1))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters,
         eta_min=1e-5)
]
