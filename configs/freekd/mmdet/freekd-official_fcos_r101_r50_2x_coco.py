# FCOS R101 (40.8 AP) -> FCOS R50 (38.5 AP), the official recipe
_base_ = [
    './freekd_fcos_r101_r50_2x_coco.py',
    '../../_base_/freekd/official.py'
]
_base_.official.loss_weight = 5.0
_base_.official.distill_losses.loss_spatial.loss_weight = 10.0
model = dict(distiller=_base_.official)
