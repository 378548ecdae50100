# stage 1: frequency prompts on FCOS R101 (40.8 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::fcos/'
        'fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/fcos/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco-511424d6.pth',
    preset='official')
