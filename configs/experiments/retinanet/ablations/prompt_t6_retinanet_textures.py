# stage 1 for the ablation of T = 6
_base_ = '../prompt_j1_retinanet_textures.py'
model = dict(prompt=dict(num_prompts=6))
