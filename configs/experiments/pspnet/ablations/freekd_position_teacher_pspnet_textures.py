# ablation: position-aware weight of the teacher alone
_base_ = '../freekd_paper_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(position_gate=dict(side='teacher')))))
