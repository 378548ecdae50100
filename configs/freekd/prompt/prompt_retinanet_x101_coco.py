# stage 1: frequency prompts on RetinaNet X101 (41.6 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::retinanet/'
        'retinanet_x101-64x4d_fpn_ms-640-800-3x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_x101_64x4d_fpn_mstrain_3x_coco/retinanet_x101_64x4d_fpn_mstrain_3x_coco_20210719_051838-022c2187.pth',
    preset='official')
