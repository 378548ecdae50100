# ablation: an alignment of 1 x 1 pixels
_base_ = '../freekd_pspnet_textures.py'
model = dict(distiller=dict(connectors=dict(align=dict(kernel_size=1))))
