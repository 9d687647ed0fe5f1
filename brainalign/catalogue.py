"""What instructions and regions are: their words, families, levels and order.

A store carries the ones that its study ran with (`Store.catalogue`), and whatever is shown of a store is named after
these; today's tables (`tables.today`) are for what is asked or run now.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Catalogue:
    """Instructions and regions by id, each in the order of its table.

    instructions : id -> types.Instruction; regions : name -> types.Roi
    borrowed : whether these are today's, since the store, of an earlier version, carries none
    """

    instructions: dict
    regions: dict
    borrowed: bool = False

    def sort_instructions(self, ids):
        """Instruction ids, each once, in the table's order, unknown ones after it; none ("") last."""
        ids = set(ids)
        return [*in_order(ids - {""}, self.instructions), *[""] * ("" in ids)]

    def sort_regions(self, names):
        """Names of regions, each once, in the table's order, unknown ones after it."""
        return in_order(names, self.regions)

    def label(self, id):
        """`VQ1 · What is in this image?`; a model that takes no instruction has the id ""."""
        known = self.instructions.get(id)
        return f"{id} · {known.text}" if known else id or "no instruction"

    def quoted(self, ids):
        """`IC: “Generate some text ...”` of each that is known, in order."""
        known = self.instructions
        return [f"{id}: “{known[id].text}”" for id in self.sort_instructions(ids) if id in known]

    def by_level(self, names):
        """Id -> what a legend says, from perception (level 0) to reasoning (3), the level before the name."""
        known = self.instructions
        ids = sorted(names, key=lambda id: known[id].level if id in known else len(known))
        return {id: f"level {known[id].level}: {names[id]}" if id in known else names[id] for id in ids}

    def one_per_family(self, ids):
        """The first instruction of each family, in the order given."""
        known = self.instructions
        return list({known[id].family if id in known else id: id for id in reversed(list(ids))}.values())[::-1]

    def family(self, region):
        """The family of a region; "other" for one that the table does not list."""
        return self.regions[region].family if region in self.regions else "other"

    def by_family(self, names):
        """Region -> family, in the table's order."""
        return {name: self.family(name) for name in self.sort_regions(names)}

    def families(self, names):
        """Families of these regions, in the table's order."""
        return list(dict.fromkeys(self.by_family(names).values()))

    def is_area(self, region):
        """Whether a region is one area, not a stream or all of visual cortex."""
        return region in self.regions and self.regions[region].is_area

    def areas(self, names):
        """The areas among these regions, in the table's order."""
        return [name for name in self.sort_regions(names) if self.is_area(name)]

    def members(self, level, names):
        """The areas among these regions that are of a level, in the table's order; none for other names."""
        return [name for name in self.areas(names) if self.regions[name].level == level]


def in_order(names, table):
    """Names, each once, in a table's order, unknown ones last."""
    order = {name: k for k, name in enumerate(table)}
    return sorted(set(names), key=lambda name: (order.get(name, len(order)), str(name)))
