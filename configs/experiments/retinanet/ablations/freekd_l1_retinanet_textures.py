# ablation: absolute differences
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(low_penalty='l1', high_penalty='l1'))))
