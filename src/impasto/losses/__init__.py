"""What a picture is asked to be, as numbers to descend.

A loss has two verbs: `measure` takes a target from the features of a picture once; calling the loss
compares features with such a target, often. A target is a plain tensor. Those of several styles add
up linearly, so that blending styles is blending targets, unless a loss says that it does not blend.

All losses are relative to the size of their target: 0 is reached, 1 is as far as nothing at all.

Both verbs take a guide: how much each position counts, (1, 1, h, w) in the size of the layer. So a
loss sees one region of a picture; None is all of it.
"""
