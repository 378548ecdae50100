# stage 1 with one wavelet level, enough for maps of 3 to 12 pixels
_base_ = './prompt_reppoints_textures.py'
model = dict(prompt=dict(levels=1))
