# stage 1: frequency prompts on FCOS R101 (40.8 AP),
# as in the paper: T = 2, ten masks, Jaccard
_base_ = './prompt_fcos_r101_coco.py'
model = dict(preset='paper')
