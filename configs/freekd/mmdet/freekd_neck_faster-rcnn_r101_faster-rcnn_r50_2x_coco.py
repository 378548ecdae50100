# stage 2: Faster R-CNN R101 (39.8 AP) -> Faster R-CNN R50 (38.4 AP)
# The official recipe: beside the frequency loss a squared error of the features
# and a loss of the boxes. Each goes with one option after --cfg-options:
#   model.distiller.distill_losses.loss_spatial.loss_weight=0.0
#   model.distiller.distill_losses.loss_regression.loss_weight=0.0
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py',
    '../../_base_/freekd/freekd_neck_official_rcnn.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_faster-rcnn_r101_coco/prompts.pth'
_base_.distiller.distill_losses.loss_freekd.loss_weight = 0.8
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r101_fpn_2x_coco/faster_rcnn_r101_fpn_2x_coco_bbox_mAP-0.398_20200504_210455-1d2dac9c.pth',
    student_rois=True,
    distiller=_base_.distiller)
