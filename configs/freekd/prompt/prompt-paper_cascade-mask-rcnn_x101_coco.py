# stage 1: frequency prompts on Cascade Mask R-CNN X101 (45.6 AP),
# as in the paper: T = 2, ten masks, Jaccard
_base_ = './prompt_cascade-mask-rcnn_x101_coco.py'
model = dict(preset='paper')
