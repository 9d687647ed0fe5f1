"""Feature spaces side by side: what ridge needs of any weighting of them, from products made once.

With weights gamma the features are X = [sqrt(gamma_1) X_1, sqrt(gamma_2) X_2, ...]. Their Gram matrix consists of
the blocks sqrt(gamma_i gamma_j) X_i'X_j, their kernel matrix is sum_i gamma_i X_i X_i'; both sets of products are
made once, in float64, and the smaller of the two matrices is decomposed for each gamma (`Bands.basis`). Two spaces
need no decomposition of their joint matrix (`Bands.pair`), and where eigenvalues do not converge there is
`Bands.factored`. All three are designs, see `designs`.
"""

from collections import OrderedDict
from functools import partial

from brainalign.encoding import device as dev
from brainalign.encoding.designs import TINY, Basis, Factored, Pair, Sides


class Bands:
    """The spaces [(X (n_train, p_i), X_test (n_test, p_i))], centred on the training images, on one device.

    keys : a name of the content of each space, under which its products are found in `kept`
    kept : a `Kept` that outlives these bands; None: one of their own, without bound
    """

    def __init__(self, spaces, device, keys=None, kept=None):
        import torch

        self.X = [torch.as_tensor(X).to(device, torch.float64) for X, _ in spaces]
        self.test = [torch.as_tensor(X).to(device, torch.float64) for _, X in spaces]
        self._keys = keys or range(len(spaces))
        self.kept = Kept(float("inf")) if kept is None else kept
        self._sides = {}

    def basis(self, gamma):
        """The eigenbasis for the weights gamma (n_spaces,); a space of weight 0 takes no part."""
        used = self._used(gamma)
        make = partial(self._from_kernel if self._wide(used) else self._from_gram, used)
        if [weight for _, weight in used] == [1.0]:
            return self._once("basis", used[0][0], make=make)
        return dev.with_room(make, self.kept.clear)

    def pair(self, gamma):
        """Two spaces, each in its own eigenbasis; see `designs.Pair`."""
        (i, a), (j, b) = self._used(gamma)
        if (i, j) not in self._sides:
            one, two = (self.basis([float(k == space) for k in range(len(self.X))]) for space in (i, j))
            cross = dev.with_room(lambda: one.right.T @ two.right, self.kept.clear)
            self._sides = {(i, j): Sides(one, two, cross)}
        return Pair(self._sides[i, j], a**2, b**2)

    def factored(self, gamma):
        """The spaces as they are, for a Cholesky decomposition at every alpha; see `designs.Factored`."""
        import torch

        used = self._used(gamma)
        if self._wide(used):
            kernel = self._sum(used, self._kernel)
            return Factored(
                kernel,
                torch.eye(len(kernel), device=kernel.device, dtype=kernel.dtype),
                kernel,
                self._sum(used, self._kernel_test),
            )
        X, test = self._beside(used, self.X), self._beside(used, self.test)
        return Factored(X, X, self._blocks(used), test)

    def pairs_off(self, gamma):
        """The widths of two spaces that fit side by side into the training images; None for any other number."""
        used = self._used(gamma)
        if len(used) == 2 and not self._wide(used):
            return tuple(self.X[i].shape[1] for i, _ in used)

    def _used(self, gamma):
        """Positions and roots of the weights of the spaces that take part."""
        return [(i, float(g) ** 0.5) for i, g in enumerate(gamma) if g > 0]

    def _wide(self, used):
        return sum(self.X[i].shape[1] for i, _ in used) > len(self.X[0])

    def _from_gram(self, used):
        l, Q = positive(*dev.eigh(self._blocks(used)))
        return Basis(self._beside(used, self.X) @ Q, l, self._beside(used, self.test) @ Q, self._power(used))

    def _from_kernel(self, used):
        l, U = positive(*dev.eigh(self._sum(used, self._kernel)))
        root = l.clamp_min(TINY).sqrt()
        return Basis(U * root, l, self._sum(used, self._kernel_test) @ (U / root), self._power(used))

    def _power(self, used):
        """(n_test,) squared length of the test images' weighted features."""
        return sum(a**2 * self.test[i].square().sum(1) for i, a in used)

    def _beside(self, used, spaces):
        import torch

        return torch.cat([a * spaces[i] for i, a in used], 1)

    def _blocks(self, used):
        import torch

        return torch.cat([torch.cat([a * b * self._gram(i, j) for j, b in used], 1) for i, a in used])

    def _sum(self, used, products):
        return sum(a**2 * products(i) for i, a in used)

    def _gram(self, i, j):
        if self._keys[i] == self._keys[j]:
            return self._once("gram", i, make=lambda: dev.gram(self.X[i]))
        if str(self._keys[i]) > str(self._keys[j]):
            return self._gram(j, i).T
        return self._once("gram", i, j, make=lambda: self.X[i].T @ self.X[j])

    def _kernel(self, i):
        return self._once("kernel", i, make=lambda: dev.gram(self.X[i].T))

    def _kernel_test(self, i):
        return self._once("test", i, make=lambda: self.test[i] @ self.X[i].T)

    def _once(self, what, *spaces, make):
        return self.kept.get((what, *(self._keys[i] for i in spaces)), make)


class Kept:
    """Products kept for later, in at most `limit` bytes; those asked for longest ago go first."""

    def __init__(self, limit):
        self.limit, self.bytes, self._found = limit, 0, OrderedDict()

    def get(self, key, make):
        """What `make` gives, made once as long as there is room; all is given up where a GPU's memory runs out."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        made = dev.with_room(make, self.clear)
        self._found[key] = made
        self.bytes += made.nbytes
        while self.bytes > self.limit:
            self.bytes -= self._found.popitem(last=False)[1].nbytes
        return made

    def clear(self):
        """Keep nothing any more."""
        self._found.clear()
        self.bytes = 0


def positive(l, Q):
    """The eigenvectors with eigenvalues above rounding error; at least one."""
    keep = l > l[-1].clamp_min(TINY) * len(l) * 2.0**-52
    keep[-1] = True
    return l[keep].clamp_min(0), Q[:, keep]
