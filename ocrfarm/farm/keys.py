"""The names of everything that the farm keeps in Redis; no other module makes a name.

Every name begins with the setting `key_prefix`, so that several farms can share a server.

Of the farm:

    jobs                   sorted set: ids of jobs by the time they were submitted (seconds since 1970)
    jobs:{owner}           sorted set: the same for the jobs of one owner
    active                 set: ids of the jobs that have not ended
    webhooks               sorted set: ids of ended jobs by the time of the next delivery (milliseconds)
    deleted                sorted set: ids of deleted jobs, of which workers may store tiles, by the time (seconds)
    job:{id}               hash: the fields of `JobStatus`, how long each stage took, what recovery remembers
    job:{id}:done          set: tiles whose fragments are in the store
    job:{id}:failed        set: tiles that were given up; their dead letters are in the store
    job:{id}:attempts      hash: tile, quarter of a tile, or task -> attempts that were started and have not ended
    job:{id}:failures      hash: tile or quarter -> times that the engine failed on it or ran out of time
    job:{id}:regions       set: regions of the second pass that were read or given up
    job:{id}:readers       hash: id of a batch -> the worker that reads it
    job:{id}:peaks         hash: "stage host pid" -> most memory of this process, in MB
    metrics                hash: a counter's name and its labels -> a whole number
    usage:{month}          hash: the counters of `UsageStore`, of the jobs that ended in this month
    workers                sorted set: names of workers by the time of their last heartbeat (seconds)
    worker:{name}          hash: the fields of `WorkerInfo`
    consumer:{recognizer}  exists while a worker reads the queue of this recognizer
    comparison             hash: which run of the server was compared with the store, and when
    lock:{name}            exists while a process holds this lock
    watched                since when workers have looked at the active jobs without a pause (seconds)
    doctor                 written by `ocrfarm doctor` to see whether it may; expires at once

Of Celery, which makes these names from the options in `celery_app`:

    {queue}, {queue}:5, {queue}:9  list: messages of one priority
    unacked_{group}                hash: messages that the workers of a group have taken and not acknowledged
    unacked_{group}_index          sorted set: when each of them was taken (seconds)
"""

from typing import NamedTuple


class JobKeys(NamedTuple):
    """The keys of one job; all of them expire together."""

    record: str
    done: str
    failed: str
    attempts: str
    failures: str
    peaks: str
    regions: str
    readers: str


class Keys:
    """Names in one farm's part of Redis.

    >>> keys = Keys("ocrfarm:")
    >>> keys.active, keys.queue("split", 0), keys.queue("split", 5)
    ('ocrfarm:active', 'ocrfarm:split', 'ocrfarm:split:5')
    >>> keys.job("01J").done
    'ocrfarm:job:01J:done'
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.active = f"{prefix}active"
        self.webhooks = f"{prefix}webhooks"
        self.deleted = f"{prefix}deleted"
        self.metrics = f"{prefix}metrics"
        self.workers = f"{prefix}workers"
        self.comparison = f"{prefix}comparison"
        self.watched = f"{prefix}watched"
        self.doctor = f"{prefix}doctor"

    def jobs(self, owner: str = "") -> str:
        """Return the key of the list of an owner's jobs, or of all jobs if there is no owner."""
        return f"{self._prefix}jobs:{owner}" if owner else f"{self._prefix}jobs"

    def job(self, job: str) -> JobKeys:
        """Return the keys of a job, given its id."""
        record = f"{self._prefix}job:{job}"
        return JobKeys(record, *(f"{record}:{part}" for part in JobKeys._fields[1:]))

    def worker(self, name: str) -> str:
        """Return the key of what a worker says about itself."""
        return f"{self._prefix}worker:{name}"

    def consumer(self, model: str) -> str:
        """Return the key that exists while a worker reads the queue of this recognizer."""
        return f"{self._prefix}consumer:{model}"

    def usage(self, month: str) -> str:
        """Return the key of what was used in a month, such as 2026-11."""
        return f"{self._prefix}usage:{month}"

    def lock(self, name: str) -> str:
        """Return the key of a lock."""
        return f"{self._prefix}lock:{name}"

    def queue(self, queue: str, priority: int) -> str:
        """Return the key of the list that holds a queue's messages of one priority.

        Args:
            queue: The name of the queue, as in `protocol`.
            priority: One of `protocol.PRIORITIES`; 0 is served first.

        """
        return f"{self._prefix}{queue}:{priority}" if priority else f"{self._prefix}{queue}"

    def unacked(self, group: str) -> str:
        """Return the key of the messages that the workers of a group have not acknowledged."""
        return f"{self._prefix}unacked_{group}"

    def unacked_index(self, group: str) -> str:
        """Return the key of the times at which the workers of a group took their messages."""
        return f"{self.unacked(group)}_index"

    def unacked_mutex(self, group: str) -> str:
        """Return the key of the lock under which lost messages of a group are put back."""
        return f"{self.unacked(group)}_mutex"
