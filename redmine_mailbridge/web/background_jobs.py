"""Work that a page starts and watches: a connection check whose lines come one after the other."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import field

import structlog

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

REMEMBERED, AT_ONCE = 50, 4
Work = Callable[[], Iterable[Check]]
ReportCheck = Callable[[Check], None]


@dataclass(slots=True)
class BackgroundJob:
    """One piece of work and what it has found so far."""

    title: str
    lines: list[Check] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def running(self) -> bool:
        """Is more to come?"""
        return not self.ended.is_set()


class BackgroundJobs:
    """Runs a few of them at once, in threads, and remembers the last ones."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, BackgroundJob] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, title: str, work: Work) -> str | None:
        """Given a title and what yields findings, begin. Return the job's name; None when too much is running."""

        def saying(say: ReportCheck) -> None:
            for line in work():
                say(line)

        return self.begin(title, saying)

    def begin(self, title: str, work: Callable[[ReportCheck], object]) -> str | None:
        """As `start`, with work that says its findings."""
        name, job = secrets.token_hex(8), BackgroundJob(title)
        with self._lock:
            if sum(other.running for other in self._jobs.values()) >= AT_ONCE:
                return None
            self._jobs[name] = job
            while len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)
        threading.Thread(target=_run, args=(job, work), name=f"check-{name}", daemon=True).start()
        return name

    def get(self, name: str) -> BackgroundJob | None:
        """The job of this name, None when it is forgotten."""
        return self._jobs.get(name)


def _run(job: BackgroundJob, work: Callable[[ReportCheck], object]) -> None:
    try:
        work(job.lines.append)
    except MailbridgeError as error:
        job.lines.append(Check(job.title, False, str(error)))
    except Exception as error:  # noqa: BLE001 - the outermost frame of a job: the page shows it
        log.error("admin.fault", job=job.title, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
        job.lines.append(Check(job.title, False, fault(error)))
    finally:
        job.ended.set()
