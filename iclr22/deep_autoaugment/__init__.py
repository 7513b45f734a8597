"""Deep AutoAugment: augmentation policies by gradient matching.

Zheng et al., "Deep AutoAugment", ICLR 2022. Layers of a policy are learned one after the
other so that the gradient of augmented images points where that of others of their class
does. Stages: `matching`, a layer, and `classifier`, the network whose gradients are
compared and what a policy is for. `search` learns a policy, `health` says whether to use it,
`apply_policy` applies one to a batch, an own draw for each image, with Pillow's pixels;
`export_policy` hands it to other libraries; `baselines` are policies of others;
`pipeline.train` searches and trains.
"""

from iclr22.deep_autoaugment.exports import export_policy
from iclr22.deep_autoaugment.files import load_policy, save_policy
from iclr22.deep_autoaugment.operations import operations
from iclr22.deep_autoaugment.policy import apply_policy
from iclr22.deep_autoaugment.presets import preset
from iclr22.deep_autoaugment.searching import search

STAGES = ("matching", "classifier")
