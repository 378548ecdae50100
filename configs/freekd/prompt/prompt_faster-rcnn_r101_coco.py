# stage 1: frequency prompts on Faster R-CNN R101 (39.8 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r101_fpn_2x_coco/faster_rcnn_r101_fpn_2x_coco_bbox_mAP-0.398_20200504_210455-1d2dac9c.pth',
    preset='official')
