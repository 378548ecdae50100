# Faster R-CNN R101 (39.8 AP) -> R50 (38.4 AP), the official recipe
_base_ = [
    './freekd_faster-rcnn_r101_r50_2x_coco.py',
    '../../_base_/freekd/official_rcnn.py'
]
_base_.official.loss_weight = 0.8
model = dict(student_rois=True, distiller=_base_.official)
