# ablation: the mean of the masks
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(prompt_reduction='mean'))))
