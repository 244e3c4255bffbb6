"""Shapley values: what each part adds, averaged over all orders in which the parts can come.

    phi_i = sum over S without i of  |S|! (n - |S| - 1)! / n!  (v(S + i) - v(S))

(Shapley 1953; Lundberg and Lee 2017.) The one way to share out v(all) - v(none) completely that treats equals equally, gives nothing to a part that
never changes anything, and adds up over sums of games. All of it is said of the game v, and so of what stands for what is absent.
"""

from sonde.attribution.shapley.exact import exact_shapley
from sonde.attribution.shapley.kernel import kernel_shap
from sonde.attribution.shapley.permutation import permutation_shapley

__all__ = ["exact_shapley", "kernel_shap", "permutation_shapley"]
