"""Analysis of movement: pure functions over arrays of poses.

All of them take poses of shape (T, J, D), T frames of J joints in D = 2 (px) or 3 (mm) dimensions, NaN where a joint was not seen, and
stamps of shape (T,), ns, rising. Nothing is changed in place, and what is missing is never made up silently.
"""
