# stage 1: frequency prompts on Faster R-CNN R101 (39.8 AP),
# as in the paper: T = 2, ten masks, Jaccard
_base_ = './prompt_faster-rcnn_r101_coco.py'
model = dict(preset='paper')
