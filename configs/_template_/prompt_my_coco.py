# step 2: frequency prompts on the teacher
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/freekd/prompt_mmdet.py', './my_coco_data.py'
]
model = dict(
    architecture=dict(cfg_path='{{ fileDirname }}/my_coco_teacher.py'),
    teacher_ckpt='work_dirs/my_coco_teacher/epoch_12.pth',
    channels=256,  # CHANGE: of the teacher's neck
    num_levels=5)  # CHANGE: how many features it puts out
train_dataloader = _base_.my_data.train
val_dataloader = test_dataloader = _base_.my_data.val
val_evaluator = test_evaluator = _base_.my_data.evaluator
