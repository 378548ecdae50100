# the teacher of the segmentation demo
_base_ = [
    '../_base_/models/pspnet_shapes.py',
    '../_base_/datasets/shapes_cityscapes.py', '../_base_/schedules/shapes.py'
]
default_scope = 'mmseg'
