# the teacher of the detection demo
_base_ = [
    '../_base_/models/reppoints_shapes.py',
    '../_base_/datasets/shapes_coco.py', '../_base_/schedules/shapes.py'
]
default_scope = 'mmdet'
