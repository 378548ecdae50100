# Cascade Mask R-CNN X101 (45.6 AP) -> Faster R-CNN R50 (38.4 AP), the official recipe
_base_ = [
    './freekd_cascade-mask-rcnn_x101_faster-rcnn-r50_2x_coco.py',
    '../../_base_/freekd/official_rcnn.py'
]
_base_.official.distill_losses.loss_spatial.loss_weight = 2.0
_base_.official.teacher_recorders.regression.source = \
    'roi_head.bbox_head.0.fc_reg'
# as the first stage of the cascade, it regresses one box for all classes
model = dict(
    architecture=dict(
        roi_head=dict(bbox_head=dict(reg_class_agnostic=True))),
    student_rois=True,
    distiller=_base_.official)
