# PKD with all that FreeKD is recommended with, its own loss apart
_base_ = './pkd_pspnet_textures.py'
model = dict(distiller=dict(connectors=dict(align=dict(kernel_size=3))))
