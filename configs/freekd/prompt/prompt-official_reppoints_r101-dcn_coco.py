# stage 1: frequency prompts on RepPoints R101-DCN (42.9 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = './prompt_reppoints_r101-dcn_coco.py'
model = dict(preset='official')
