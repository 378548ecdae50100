# RetinaNet R101 (38.9 AP) -> RetinaNet R50 (37.4 AP), the official recipe
_base_ = [
    './freekd_retinanet_r101_r50_2x_coco.py',
    '../../_base_/freekd/official_retinanet.py'
]
_base_.official.distill_losses.loss_spatial.loss_weight = 5.0
model = dict(distiller=_base_.official)
