# stage 1 for the ablation of J = 1
_base_ = '../prompt_retinanet_textures.py'
model = dict(prompt=dict(levels=1))
