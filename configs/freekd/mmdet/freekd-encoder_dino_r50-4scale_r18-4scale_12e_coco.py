# DINO R50 (49.0 AP) -> DINO R18, both of 4 scales, on the tokens of
# both encoders, folded back into maps
_base_ = './freekd_dino_r50-4scale_r18-4scale_12e_coco.py'
model = dict(distiller=dict(source='encoder'))
