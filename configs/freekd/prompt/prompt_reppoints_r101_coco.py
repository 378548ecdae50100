# stage 1: frequency prompts on RepPoints R101 (40.5 AP)
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::reppoints/'
        'reppoints-moment_r101_fpn-gn_head-gn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/reppoints/reppoints_moment_r101_fpn_gn-neck%2Bhead_2x_coco/reppoints_moment_r101_fpn_gn-neck%2Bhead_2x_coco_20200329-4fbc7310.pth')
