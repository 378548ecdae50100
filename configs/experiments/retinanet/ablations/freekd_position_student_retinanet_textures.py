# ablation: with the student's position-aware weight
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(position_gate=dict(side='student')))))
