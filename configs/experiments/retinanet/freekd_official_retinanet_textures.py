# FreeKD as in the official code
_base_ = './freekd_paper_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                preset='official',
                prompt_ckpt='work_dirs/prompt_official_retinanet_textures/'
                'prompts.pth',
                loss_weight=1.0))))
