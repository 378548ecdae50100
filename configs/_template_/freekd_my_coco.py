# step 3: the student learns from the teacher
_base_ = [
    './my_coco_student.py', '../_base_/freekd/freekd_neck.py',
    '../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.update(
    channels=256,  # CHANGE: as in step 2
    num_levels=5,  # CHANGE: as in step 2
    loss_weight=1.0,
    prompt_ckpt='work_dirs/prompt_my_coco/prompts.pth')
_base_.distiller.connectors.align.update(
    in_channels=256,  # CHANGE: of the student's neck
    out_channels=256,  # CHANGE: of the teacher's
    num_levels=5)  # CHANGE: as in step 2
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/my_coco_teacher.py'),
    teacher_ckpt='work_dirs/my_coco_teacher/epoch_12.pth',
    distiller=_base_.distiller)
