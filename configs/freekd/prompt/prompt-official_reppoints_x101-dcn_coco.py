# stage 1: frequency prompts on RepPoints X101-DCN (44.2 AP),
# as in the official release: T = 6, one mask for each wavelet level, Dice
_base_ = './prompt_reppoints_x101-dcn_coco.py'
model = dict(preset='official')
