# stage 2: FCOS R101 (40.8 AP) -> FCOS R50 (38.5 AP)
# The official recipe: beside the frequency loss a squared error of the features.
# It goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
_base_ = [
    'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_ms-640-800-2x_coco.py',
    '../../_base_/freekd/freekd_neck_official.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_fcos_r101_coco/prompts.pth'
_base_.model.bbox_head.update(
    norm_on_bbox=True, center_sampling=True, conv_bias=True,
    loss_bbox=dict(type='GIoULoss', loss_weight=1.0))
_base_.distiller.distill_losses.loss_freekd.loss_weight = 5.0
_base_.distiller.distill_losses.loss_spatial.loss_weight = 10.0
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::fcos/'
        'fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/fcos/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco-511424d6.pth',
    inherit=['neck', 'bbox_head'],
    distiller=_base_.distiller)
