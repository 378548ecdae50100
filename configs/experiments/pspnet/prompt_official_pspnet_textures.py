# stage 1: frequency prompts as in the official code, T = 6
_base_ = './prompt_pspnet_textures.py'
model = dict(preset='official')
