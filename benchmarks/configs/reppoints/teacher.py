# the teacher of the RepPoints experiments
_base_ = [
    '../../../configs/_base_/models/reppoints_shapes.py',
    '../../../configs/_base_/datasets/textures_coco.py',
    '../../../configs/_base_/schedules/shapes.py',
]
default_scope = 'mmdet'
metric = 'coco/bbox_mAP'
max_iters = 3000
model = dict(bbox_head=dict(num_classes=8))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=50,
        end=max_iters,
        eta_min=1e-5,
    ),
]
