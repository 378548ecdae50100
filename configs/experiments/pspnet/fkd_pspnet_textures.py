# plain frequency distillation, no prompts
_base_ = './freekd_paper_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=0,
                position_gate=None,
                prompt_ckpt=None,
                loss_weight=1.0))))
