# stage 1 for the ablation of J = 2
_base_ = '../prompt_retinanet_textures.py'
model = dict(prompt=dict(levels=2))
