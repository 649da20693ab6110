"""Universal style transfer: what the methods have in common that match statistics of features.

Such a method looks at a picture with `petit`, gives what it sees the statistics of a style and
decodes the result, tile by tile if need be. A style is no more than a few means and covariances,
which are measured once and can be kept in a small file.
"""
