# stage 1: frequency prompts on RepPoints R101 (40.5 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = './prompt_reppoints_r101_coco.py'
model = dict(preset='official')
