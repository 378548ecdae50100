# ablation: with the position-aware weight, an MLP as gate
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(position_gate=dict(hidden_channels=128)))))
