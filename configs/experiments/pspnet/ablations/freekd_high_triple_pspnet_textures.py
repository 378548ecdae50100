# ablation: the high bands count three times as much
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(high_weight=3.0))))
