"""What the samples of the processes say: slopes, maxima, shares of a core, and whether they are flat."""

import math

# A process first fills what is bounded: pages, buffers, and the changes that the delta keeps for three minutes and a half. Slopes are of
# what follows; of a process that lives less than twice as long, of its second half.
WARM_UP = 240.0
# A slope is judged where it is of so many seconds, and shown where it is of so many: a shorter one says nothing about an hour.
JUDGED, SHOWN = 300.0, 60.0
# What may be added to the memory in an hour, in the mean of all processes: a single one lives for a quarter of an hour, in which the
# allocator takes and returns pages by the megabyte. Cancellations are remembered for three hours, and the last 10,000 changes are kept for
# people: both are bounded, and not full after an hour.
MOST_KIB_PER_HOUR = 8 * 1024
# What any replica's most memory in the last third of the run may be more than in the first.
MOST_SHARE, MOST_KIB = 1.2, 2 * 1024
# Open files: connections come and go with their age.
MOST_FILES = 16


class Fit:
    """A line through samples, by least squares."""

    def __init__(self, points):
        self.n = len(points)
        self.span = points[-1][0] - points[0][0] if points else 0.0
        self.slope = self.error = 0.0
        if self.n < 3 or not self.span:
            return
        middle_x, middle_y = (sum(point[axis] for point in points) / self.n for axis in (0, 1))
        spread = sum((x - middle_x) ** 2 for x, _ in points)
        self.slope = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
        rest = sum((y - middle_y - self.slope * (x - middle_x)) ** 2 for x, y in points)
        self.error = math.sqrt(rest / (self.n - 2) / spread)

    def growth(self):
        return self.slope * self.span


def warm(lifetime):
    """The samples after the warm-up."""
    if not lifetime.samples:
        return []
    after = min(WARM_UP, lifetime.seconds() / 2)
    return [one for one in lifetime.samples if one.at >= lifetime.began + after]


class Cost:
    """What one process cost."""

    def __init__(self, lifetime):
        self.lifetime, samples = lifetime, warm(lifetime)
        self.memory = Fit([(one.at, one.memory_kib) for one in samples])
        self.files = Fit([(one.at, one.files) for one in samples])
        self.most_kib = max((one.memory_kib for one in lifetime.samples), default=0)
        self.most_files = max((one.files for one in lifetime.samples), default=0)
        self.share = share(lifetime.samples)

    def is_judged(self):
        return self.memory.span >= JUDGED

    def wrong(self):
        """Sentences about open files that are not flat."""
        if self.is_judged() and self.files.growth() > MOST_FILES:
            return [f"{self.lifetime.replica} opened {self.files.growth():.0f} more files in {self.files.span:.0f} s"]
        return []

    def row(self, origin):
        one = self.lifetime
        began, slope, files = one.began - origin, f"{'-':>22}", f"{'-':>8}"
        if self.memory.span >= SHOWN:
            slope = f"{self.memory.slope * 3600:+12.0f} ± {2 * self.memory.error * 3600:<7.0f}"
            files = f"{self.files.slope * 3600:+8.1f}"
        return (
            f"{one.replica}  {began:6.0f}  {began + one.seconds():6.0f}  {one.ended:8}  {self.most_kib:8}  {slope}  "
            f"{self.memory.span:5.0f}  {self.most_files:5}  {files}  {100 * self.share:5.1f}"
        )


def mean_slope(costs):
    """By how many KiB an hour the memory of a process grows in the mean, the standard error of that, and of how many processes.

    The mean is weighted by time, and its error is that of the processes among each other: the samples of one depend on each other.
    """
    judged = [cost for cost in costs if cost.is_judged()]
    if not judged:
        return 0.0, 0.0, 0
    whole = sum(cost.memory.span for cost in judged)
    weights = [cost.memory.span / whole for cost in judged]
    slopes = [cost.memory.slope * 3600 for cost in judged]
    mean = sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))
    if len(judged) == 1:
        return mean, judged[0].memory.error * 3600, 1
    spread = sum(weight * (slope - mean) ** 2 for weight, slope in zip(weights, slopes, strict=True))
    return mean, math.sqrt(spread / (len(judged) - 1)), len(judged)


def grows(mean, error, judged):
    """Sentences about memory that grows by more than it may, and by more than chance explains: of what `mean_slope` found."""
    sure = mean - 2 * error
    if sure <= MOST_KIB_PER_HOUR:
        return []
    return [f"memory of {judged} processes grows by at least {sure:.0f} KiB per hour in the mean, not at most {MOST_KIB_PER_HOUR}"]


HEADER = "replica    from s    to s  ended by  most KiB  KiB per hour (2 s.e.)   of s  files  per hour  CPU %"


def share(samples):
    """Of one core."""
    if len(samples) < 2:
        return 0.0
    return (samples[-1].cpu - samples[0].cpu) / (samples[-1].at - samples[0].at)


def in_minute(replica, since):
    """The most memory in MiB, the most files, and the share of a core since a moment; of the process that lives."""
    samples = [one for lifetime in replica.lifetimes for one in lifetime.samples if one.at >= since]
    now = [one for one in replica.lifetimes[-1].samples if one.at >= since]
    if not samples:
        return 0.0, 0, 0.0
    return max(one.memory_kib for one in samples) / 1024, max(one.files for one in samples), share(now)


def maxima(replicas, origin, seconds):
    """The most memory in KiB and the most open files of any replica, in each minute, or in each sixth of a shorter run."""
    most = {}
    for one in (one for replica in replicas for lifetime in replica.lifetimes for one in lifetime.samples if one.at >= origin):
        part = int((one.at - origin) / min(60.0, seconds / 6))
        memory, files = most.get(part, (0, 0))
        most[part] = max(memory, one.memory_kib), max(files, one.files)
    return [most[part] for part in sorted(most)]


def growth(most):
    """Sentences about maxima that are larger in the last third than in the first."""
    third, found = max(1, len(most) // 3), []
    (memory, files), (memory_then, files_then) = (tuple(map(max, zip(*part, strict=True))) for part in (most[:third], most[-third:]))
    if memory_then > memory * MOST_SHARE + MOST_KIB:
        found.append(f"the most memory of a replica was {memory} KiB in the first third, and {memory_then} KiB in the last")
    if files_then > files + MOST_FILES:
        found.append(f"the most open files of a replica were {files} in the first third, and {files_then} in the last")
    return found
