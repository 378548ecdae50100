# step 3: the student learns from the teacher
_base_ = [
    './my_seg_student.py', '../_base_/freekd/freekd_backbone.py',
    '../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.teacher_recorders.feature.source = 'backbone.layer4'  # CHANGE
_base_.distiller.student_recorders.feature.source = 'backbone.layer4'  # CHANGE
_base_.distiller.distill_losses.loss_freekd.update(
    channels=2048,  # CHANGE: as in step 2
    loss_weight=1.0,
    prompt_ckpt='work_dirs/prompt_my_seg/prompts.pth')
_base_.distiller.connectors.align.update(
    in_channels=512,  # CHANGE: of the student's layer
    out_channels=2048)  # CHANGE: of the teacher's
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/my_seg_teacher.py'),
    teacher_ckpt='work_dirs/my_seg_teacher/iter_40000.pth',
    distiller=_base_.distiller)
