# stage 1: frequency prompts on RetinaNet R101 (38.9 AP),
# as in the paper: T = 2, ten masks, Jaccard
_base_ = './prompt_retinanet_r101_coco.py'
model = dict(preset='paper')
