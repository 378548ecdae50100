# stage 1: frequency prompts on RetinaNet X101 (41.6 AP),
# as in the paper: T = 2, ten masks, Jaccard
_base_ = './prompt_retinanet_x101_coco.py'
model = dict(preset='paper')
