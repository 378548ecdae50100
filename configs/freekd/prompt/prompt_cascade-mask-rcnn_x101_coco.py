# stage 1: frequency prompts on Cascade Mask R-CNN X101 (45.6 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = [
    'mmdet::_base_/datasets/coco_instance.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::cascade_rcnn/'
        'cascade-mask-rcnn_x101-64x4d_fpn_20e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/cascade_rcnn/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco/cascade_mask_rcnn_x101_64x4d_fpn_20e_coco_20200512_161033-bdb5126a.pth',
    preset='official')
