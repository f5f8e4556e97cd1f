"""Several answers to one prompt as a tree of tokens: what begins alike is there once."""

import torch


class AnswerTree:
    """Answers by their tokens.

    Attributes:
        tokens, parents (`list[int]`): Of each node its token, and the node that it follows. Node 0 is where the prompt ends.
        paths (`dict[int, list[int]]`): Of each answer, by its number, its nodes.
    """

    def __init__(self):
        self.tokens, self.parents, self.paths, self._children = [-1], [-1], {}, {}

    def add(self, number, answer):
        """Adds an answer under its number."""
        node, path = 0, []
        for token in answer:
            if (node, token) not in self._children:
                self._children[node, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(node)
            node = self._children[node, token]
            path.append(node)
        self.paths[number] = path

    @property
    def inner(self):
        """The nodes to read: the root, and those that something follows."""
        return sorted({0, *self.parents[1:]})

    def layout(self, prompt_mask):
        """Who sees whom among prompt and inner nodes, and how many tokens lie between the prompt and each inner node."""
        inner = self.inner
        place = {node: index for index, node in enumerate(inner)}
        length, count = len(prompt_mask), len(inner) - 1
        mask = torch.zeros(length + count, length + count, dtype=torch.bool)
        mask[:length, :length] = prompt_mask
        depths = torch.zeros(count, dtype=torch.long)
        for index, node in enumerate(inner[1:]):  # a parent comes before its children
            row, parent = length + index, place[self.parents[node]] - 1
            if parent >= 0:
                mask[row] = mask[length + parent]
                depths[index] = depths[parent] + 1
            mask[row, :length] = True
            mask[row, row] = True
        return mask, depths
