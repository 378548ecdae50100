# stage 1: frequency prompts on DINO Swin-L (57.2 AP), on its encoder's tokens,
# folded back into maps, of the last four scales
_base_ = './prompt_dino-5scale_swin-l_coco.py'
model = dict(source='encoder')
