# stage 1 as in the official code, T = 6: the prompts start at about three
# times the feature, and take longer to come down
_base_ = './prompt.py'
max_iters = 600
model = dict(preset='official')
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=0,
        end=max_iters,
        eta_min=1e-6,
    )
]
