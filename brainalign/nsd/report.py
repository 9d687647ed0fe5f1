"""What a check found, and the inspector that the checks write it down with."""

from dataclasses import asdict, dataclass, field

from brainalign.nsd import read
from brainalign.nsd.layout import FSAVERAGE_VERTICES, Layout


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one file, in plain words."""

    file: str
    found: str
    expected: str
    todo: str

    def __str__(self):
        return f"{self.file}\n  found:    {self.found}\n  expected: {self.expected}\n  to do:    {self.todo}"


@dataclass(frozen=True)
class Report:
    """What is in a root and what is wrong with it.

    subjects : a dict for each: name, sessions (their numbers), spaces, betas (space -> versions), rois (name ->
        units within the mask), images, shared (numbers of different pictures seen), showings (the shared ones seen at
        least once, twice, three times), first (the picture of the first trial: NSD's id from 0, 73KID, COCO or None)
    common : the shared pictures that all subjects saw at least once, twice, three times; empty for a single subject
    faults stop an analysis from being right; warnings are legal oddities.
    stopped : how far reading every byte came; "" where it was not asked for, or came to its end
    """

    root: str
    simulated: bool
    subjects: list = field(default_factory=list)
    common: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    stopped: str = ""

    def to_dict(self):
        """Plain lists, dicts, numbers and text."""
        return asdict(self)

    def __str__(self):
        lines = [f"{self.root}{' (SIMULATED)' if self.simulated else ''}"]
        for s in self.subjects:
            rois = sum(n > 0 for n in s["rois"].values())
            lines.append(
                f"{s['name']}: {counted(len(s['sessions']), 'session')} of {', '.join(s['spaces'])}, "
                f"{s['images']} pictures, {counted(rois, 'ROI')}"
            )
            if s["first"]:
                lines += [f"  shared pictures: {_often(s['showings'])}", f"  first trial: {_named(s['first'])}"]
        if self.common:
            lines.append(f"shared pictures of all {len(self.subjects)} subjects: {_often(self.common)}")
        lines += [f"warning: {text}" for text in self.warnings]
        lines += [str(fault) for fault in self.faults]
        count = counted(len(self.faults), "fault") if self.faults else "no fault"
        return "\n".join([*lines, f"{count} so far: {self.stopped}" if self.stopped else count])


def counted(n, what):
    """A number of things in words: "1 volume", "2 volumes"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def _often(showings):
    """Counts in words; showings : the pictures seen at least once, twice, three times."""
    return "{} seen, {} at least twice, {} three times".format(*showings)


def _named(numbers):
    """A picture by all its numbers."""
    coco = f", COCO {numbers['COCO']}" if numbers["COCO"] else ""
    return f"picture {numbers['id']} (counted from 0; 73KID {numbers['73KID']}{coco})"


class Inspector:
    """Reads the files of one root for the checks, and turns whatever goes wrong into one fault a file."""

    def __init__(self, root):
        self.layout = Layout(root)
        self.simulated, self.manifest = False, {}
        self.vertices = FSAVERAGE_VERTICES  # of one fsaverage hemisphere
        self.faults, self.warnings, self.common = [], [], []
        self.examined = set()  # paths that some check has read
        self.grids = []  # of the volumes that some check has read
        self.tables_missing = set()  # label tables whose names are NSD's own
        self.stopped = ""  # how far reading every byte came, where it was stopped
        self._kept = {}

    def fault(self, path, found, expected, todo=None):
        again = "write the simulated root again" if self.simulated else "download it again and compare its size"
        self.faults.append(Fault(str(path), found, expected, todo or again))

    def declared(self, subject):
        """What the manifest of a simulated root says of a subject; empty for a real one."""
        return self.manifest.get("subjects", {}).get(subject, {})

    def faulty(self, path):
        return any(fault.file == str(path) for fault in self.faults)

    def warn(self, text):
        self.warnings.append(text)

    def read(self, reader, path, *arguments):
        """What `reader(path, *arguments)` returns; None, and one fault, where it fails."""
        self.examined.add(path)
        try:
            return reader(path, *arguments)
        except Exception as error:  # a damaged file makes the libraries raise nearly anything
            text = _first_line(error).removeprefix(str(path)).strip(" :")
            found, _, rest = text.partition(", expected ")
            expected, _, todo = rest.partition("; ")
            if not self.faulty(path):
                self.fault(path, found, expected or "a file that can be read whole", todo)
            return None

    def lies_on(self, path, grid):
        """Whether a NIfTI image lies on a subject's Grid; one fault where not."""
        here = self.read(read.grid, path)
        if here is None:
            return False
        self.grids.append(here)
        wrong = here.differs(grid)
        if wrong:
            self.fault(path, *wrong)
        return not wrong

    def volume(self, path, grid):
        """Values of a volume in NSD's order; None, and one fault, where they cannot be had on the Grid."""
        values = self.read(read.volume, path)
        return values if values is not None and self.lies_on(path, grid) else None

    def read_once(self, reader, path):
        """The same for a file that several subjects share: read, and found at fault, only once."""
        if path not in self._kept:
            self._kept[path] = self.read(reader, path)
        return self._kept[path]

    def run(self, where, step, *arguments):
        """What a step of the check returns; a step that cannot go on is a fault of the folder it looks at."""
        try:
            return step(self, *arguments)
        except Exception as error:
            text = f"the check cannot go on here: {_first_line(error)}"
            self.fault(where, text, "files and folders that can be examined", "look at this folder by hand")
            return None

    def report(self, subjects):
        found = subjects, self.common, self.faults, self.warnings, self.stopped
        return Report(str(self.layout.root), self.simulated, *found)


def _first_line(error):
    return (str(error).splitlines() or [""])[0] or type(error).__name__
