# FreeKD as recommended: one wavelet level, for the maps are small, and the
# paper's loss of the boxes
_base_ = './freekd_paper_reppoints_textures.py'
boxes = dict(
    type='mmrazor.ModuleOutputs',
    source='bbox_head.reppoints_pts_refine_out')
model = dict(
    distiller=dict(
        student_recorders=dict(boxes=boxes),
        teacher_recorders=dict(boxes=boxes),
        distill_losses=dict(
            loss_kd=dict(
                preset='recommended',
                levels=1,
                prompt_ckpt='work_dirs/prompt_j1_reppoints_textures/prompts.pth',
                loss_weight=1.0),
            loss_boxes=dict(
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmdet.SmoothL1Loss'),
                num_levels=3,
                loss_weight=10.0)),
        loss_forward_mappings=dict(
            loss_boxes=dict(
                s_feature=dict(
                    recorder='boxes',
                    from_student=True,
                    record_idx=[0, 1, 2]),
                t_feature=dict(
                    recorder='boxes',
                    from_student=False,
                    record_idx=[0, 1, 2])))))
