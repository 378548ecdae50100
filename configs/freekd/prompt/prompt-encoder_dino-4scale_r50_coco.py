# stage 1: frequency prompts on DINO R50 (49.0 AP), on its encoder's tokens,
# folded back into maps
_base_ = './prompt_dino-4scale_r50_coco.py'
model = dict(source='encoder')
