"""Answers to several instructions about each picture at once: branches that grow from the picture's tokens.

A row of a batch is a picture. Its tokens, the prefix, are computed once; each instruction and its answer follow as a
branch that sees the prefix and itself, and no other branch:

    prefix  What is this ?  How many ?  A   Two  dog  .         tokens in the order in which they are fed
            branch 0        branch 1    0   1    0    1         a mask keeps branches apart,
            5 6    7    8   5   6    7  9   8    10   9         positions go on from the prefix in each

So every token passes the model once: the states that predict the next word are those that are pooled, no prefix is
ever copied, and a step takes one token of every unfinished branch of every picture. Branches that have ended take no
more part; pictures all of whose branches have ended leave the batch.
"""

from dataclasses import dataclass
from functools import partial

import torch
from transformers.cache_utils import Cache, DynamicLayer

ALL, NONE = -1, -2  # instead of a branch: a token that every branch sees, and padding
ROOM = 64  # tokens for which a cache is enlarged at least


class Roomy(DynamicLayer):
    """A layer's keys and values (n_rows, n_heads, n_tokens, n_dims) in memory with room for more, so that a token
    more does not copy all that was there."""

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.store, self.used = key_states.new_empty(2, *key_states.shape[:2], 0, key_states.shape[3]), 0
        end = self.used + key_states.shape[2]
        if end > self.store.shape[3]:
            self._enlarge(end + max(ROOM, end // 4))
        self.store[0, :, :, self.used : end] = key_states
        self.store[1, :, :, self.used : end] = value_states
        self.used = end
        self.keys, self.values = self.store[:, :, :, :end]
        return self.keys, self.values

    def _enlarge(self, room):
        old = self.store
        self.store = old.new_empty(*old.shape[:3], room, old.shape[4])
        self.store[:, :, :, : self.used] = old[:, :, :, : self.used]

    def batch_select_indices(self, indices):
        self.store = self.store[:, indices]
        self.keys, self.values = self.store[:, :, :, : self.used]


def roomy_cache(config, prefix=None):
    """An empty cache for a language model, or one that goes on from the tokens of another, which stays as it is."""
    cache = Cache(layers=[Roomy() for _ in (prefix.layers if prefix else range(config.num_hidden_layers))])
    for layer, seen in zip(cache.layers, prefix.layers if prefix else ()):
        layer.update(seen.keys, seen.values)
    return cache


@dataclass(frozen=True)
class Stops:
    """What ends an answer. ids : (k,) tokens; pairs : (k, 2) two tokens after one another."""

    ids: torch.Tensor
    pairs: torch.Tensor

    def ended(self, before, token):
        return torch.isin(token, self.ids) | self.paired(before, token)

    def paired(self, before, token):
        """Whether two tokens are one of the pairs."""
        both = torch.stack([before, token], -1)
        return (both[..., None, :] == self.pairs).all(-1).any(-1)


class Branches:
    """Branches of n rows that have a prefix in a cache.

    forward(embeds (n, q, d), mask, positions (n, q), cache) -> states of every layer (n, q, d), final ones (n, q, d)
    rows : which of the n rows are still in the batch
    """

    def __init__(self, forward, cache, n_rows, device, single=False):
        """single : one branch a row and no padding, which needs no mask."""
        self.forward, self.cache, self.single = forward, cache, single
        self.owner = torch.full((n_rows, cache.get_seq_length()), ALL, device=device)
        self.rows = torch.arange(n_rows, device=device)

    def feed(self, embeds, branch, positions):
        """One pass over new tokens; branch (n, q): to which each belongs, ALL or NONE."""
        past = self.owner.shape[1]
        self.owner = torch.cat([self.owner, branch], 1)
        mask = None
        if not self.single:
            own = (self.owner[:, None] == branch[:, :, None]).tril(past)
            mask = (own | (self.owner[:, None] == ALL))[:, None]
        return self.forward(embeds, mask, positions, self.cache)

    def keep(self, rows):
        """Let all other rows leave the batch."""
        self.cache.batch_select_indices(rows)
        self.owner, self.rows = self.owner[rows], self.rows[rows]

    def answer(self, token, start, embed, predict, stops, max_new_tokens, take=None, emit=None):
        """Go on greedily until every branch has ended.

        token : (n, n_branches) the first token of each answer; start : (n, n_branches) its position
        embed(ids) -> embeds; predict(final states) -> ids; stops : what ends an answer, `Stops`
        take(states, rows, branches) : called with the states (n_tokens, n_dims) of every layer of the answers'
            tokens, each once, without those that end an answer
        emit(token) -> whether to stop
        Returns the answers' tokens with the one that ends them: n lists of n_branches lists.
        """
        answers = [[[] for _ in row] for row in token]
        alive, before = torch.ones_like(token, dtype=torch.bool), torch.full_like(token, NONE)
        for step in range(max_new_tokens):
            row, branch = torch.where(alive)
            for r, b, new in torch.stack([self.rows[row], branch, token[alive]], 1).tolist():
                answers[r][b].append(new)
            if emit and emit(token[0]):
                break
            alive = alive & ~stops.ended(before, token)
            if not alive.any() or (step == max_new_tokens - 1 and not take):
                break
            token, start, alive = self._shrunk(token, start, alive)
            before, token = token, self._step(token, start + step, alive, embed, predict, stops, take)
        return answers

    def _step(self, token, position, alive, embed, predict, stops, take):
        """Feed the tokens of all living branches, the same number in each row, and predict those that follow."""
        order = alive.byte().argsort(dim=1, descending=True, stable=True)[:, : alive.sum(1).max()]
        on = alive.gather(1, order)
        branch = torch.where(on, order, NONE)
        fed = token.gather(1, order)
        states, final = self.feed(embed(fed), branch, position.gather(1, order))
        following = predict(final)
        if take:
            said = on & ~stops.paired(fed, following)
            take([layer[said] for layer in states], self.rows[:, None].expand_as(order)[said], order[said])
        return token.scatter(1, order, following)

    def _shrunk(self, token, start, alive):
        """Without the rows that have ended, once they are a quarter of the batch: to leave it costs a copy."""
        rows = alive.any(1).nonzero()[:, 0]
        if len(rows) > 0.75 * len(alive):
            return token, start, alive
        self.keep(rows)
        return token[rows], start[rows], alive[rows]


@dataclass(frozen=True)
class Suffix:
    """What follows the prefix of n rows, or the same for all of them (n is 1), before the answers.

    ids, branch, places : (n, n_tokens) tokens, the branch of each or NONE, and its position
    ends : (n, n_branches) index of each branch's last token
    instruction : (n, n_branches, n_tokens) True for the tokens of a branch's instruction
    single : one branch a row and no padding
    """

    ids: torch.Tensor
    branch: torch.Tensor
    places: torch.Tensor
    ends: torch.Tensor
    instruction: torch.Tensor
    single: bool

    @property
    def own(self):
        """(n, n_branches, n_tokens) 1 for the tokens of a branch, else 0."""
        branches = torch.arange(self.ends.shape[1], device=self.branch.device)
        return (self.branch[:, None] == branches[:, None]).float()

    @classmethod
    def branches(cls, prompts):
        """Prompts (`prefix.Prompt`) of one prefix one after another, as branches."""
        prefix, device = prompts[0].prefix, prompts[0].ids.device
        lengths = torch.tensor([len(prompt.ids) - prefix for prompt in prompts], device=device)
        branch = torch.arange(len(prompts), device=device).repeat_interleave(lengths)
        places = torch.cat([torch.arange(prefix, len(prompt.ids), device=device) for prompt in prompts])
        inside = torch.cat([prompt.instruction[prefix:] for prompt in prompts])
        own = branch == torch.arange(len(prompts), device=device)[:, None]
        ids = torch.cat([prompt.ids[prefix:] for prompt in prompts])
        rows = (ids, branch, places, lengths.cumsum(0) - 1, own & inside)
        return cls(*(row[None] for row in rows), single=len(prompts) == 1)

    @classmethod
    def rows(cls, prompts):
        """A prompt for each row, padded at the end."""
        prefix, device = prompts[0].prefix, prompts[0].ids.device
        lengths = torch.tensor([len(prompt.ids) - prefix for prompt in prompts], device=device)
        places = torch.arange(int(lengths.max()), device=device).expand(len(prompts), -1)
        branch = torch.where(places < lengths[:, None], 0, NONE)
        padded = partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
        ids = padded([prompt.ids[prefix:] for prompt in prompts])
        inside = padded([prompt.instruction[prefix:] for prompt in prompts])[:, None]
        single = bool((branch == 0).all())
        return cls(ids, branch, places + prefix, lengths[:, None] - 1, inside, single)


class Means:
    """Running means of states over the tokens of every row's branches: (n, n_branches, n_layers, n_dims)."""

    def __init__(self, otherwise):
        """otherwise : the states of branches without a token."""
        self.otherwise, self.sums = otherwise, torch.zeros_like(otherwise)
        self.counts = torch.zeros_like(otherwise[:, :, 0, 0])

    def take(self, states, rows, branches):
        """states : n_layers of (n_tokens, n_dims)."""
        self.sums[rows, branches] += torch.stack(states, 1).float()
        self.counts[rows, branches] += 1

    def means(self):
        counts = self.counts[:, :, None, None]
        return torch.where(counts > 0, self.sums / counts.clamp(min=1), self.otherwise)
