# ablation: the high bands count a third
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(high_weight=1 / 3))))
