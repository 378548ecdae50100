# stage 2: RepPoints R101-DCN (42.9 AP) -> RepPoints R50 (38.6 AP)
# with the official code's preset, which has no recipe for RepPoints
_base_ = './freekd_neck_reppoints_r101-dcn_reppoints_r50_2x_coco.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_freekd=dict(
                preset='official',
                prompt_ckpt='work_dirs/prompt-official_reppoints_r101-dcn_coco/'
                'prompts.pth'))))
