# stage 1 of SAM's image encoder: prompts on the image embedding
_base_ = ['./images_1024.py', '../freekd/prompt_schedule.py']
model = dict(
    type='mmfreekd.FeatureFrequencyPromptTuning',
    preset='paper',
    architecture=dict(
        type='mmfreekd.ImageEncoder',
        data_preprocessor=_base_.data_preprocessor,
        backbone=dict(type='mmfreekd.SamEncoder', arch='b')),
    source='backbone',
    channels=256)
