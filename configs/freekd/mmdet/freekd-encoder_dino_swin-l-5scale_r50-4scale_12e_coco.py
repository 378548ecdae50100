# DINO Swin-L, 5 scales (57.2 AP) -> DINO R50, 4 scales (49.0 AP), on
# the tokens of both encoders, folded back into maps
_base_ = './freekd_dino_swin-l-5scale_r50-4scale_12e_coco.py'
model = dict(distiller=dict(source='encoder'))
