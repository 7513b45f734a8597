"""What node features are worth: classifiers on given features and splits.

`splits.run` trains one of `splits.KINDS` on all splits of a graph at once; `classifier` is
the stage that they share, `propagation` makes features from features and links.
"""
