# stage 1: frequency prompts on RetinaNet R101 (38.9 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth',
    preset='official')
