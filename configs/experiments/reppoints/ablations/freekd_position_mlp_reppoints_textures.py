# ablation: position-aware weight with an MLP as gate
_base_ = '../freekd_paper_reppoints_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(position_gate=dict(hidden_channels=128)))))
