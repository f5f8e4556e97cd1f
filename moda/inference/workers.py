"""Processes that work beside this one. One that dies takes nothing with it but the picture that kills it twice."""

import collections
import multiprocessing
import signal
import sys
from multiprocessing.connection import wait

import torch


# Forked processes share the memory of the model, and start at once. Elsewhere `work` must be picklable.
START = "fork" if sys.platform == "linux" else "spawn"
AHEAD = 2  # batches that a process has at hand: the one it works on, and one that it need not wait for


class Workers:
    """Processes that are given batches of indices, and give back what is made of them, in the order of their readiness.

    Nothing is shared but a pipe for each, so that what a killed process had in hand is known, and that processes end by
    themselves when this one is killed.

    Args:
        count (`int`): Processes.
        work (`Callable`): `work(indices, reading)` returns what is made of a batch; it calls `reading(index)` before it
            touches a picture, and `reading(None)` behind the last. Anything it raises is raised here.
        blamed (`Callable[[int, int], Any]`): `blamed(index, exit_code)` returns what stands for a batch of one picture
            that has killed its process twice.
    """

    def __init__(self, count, work, blamed):
        self.context = multiprocessing.get_context(START)
        self.count, self.work, self.blamed = count, work, blamed
        self.workers, self.deaths = [], collections.Counter()

    def run(self, batches):
        """Works on batches.

        Args:
            batches (`Iterable[list[int]]`): Each is asked for when a process has room for it. A pipe must hold
                `AHEAD` of them, which it does of up to some thousand indices.

        Yields:
            `Any`: What `work` returned for a batch, or `blamed` for a picture.

        Raises:
            `ChildProcessError`: If a process dies twice over the same batch, and no picture is to blame.
        """
        batches = iter(batches)
        try:
            for _ in range(self.count):
                self._start(self.work)
            while True:
                for worker in self.workers * AHEAD:
                    if len(worker.batches) < AHEAD and (batch := next(batches, None)) is not None:
                        worker.give(batch)
                busy = {worker.pipe: worker for worker in self.workers if worker.batches}
                if not busy:
                    return
                for pipe in wait(busy):
                    worker = busy[pipe]
                    try:
                        kind, value = pipe.recv()
                    except (EOFError, ConnectionError):
                        yield from self._replace(worker)
                        continue
                    if kind == "reading":
                        worker.reading = value
                    elif kind == "raised":
                        raise value
                    else:
                        worker.batches.popleft()
                        yield value
        finally:
            for worker in self.workers:
                worker.end()

    def _start(self, work):
        worker = _Worker(self.context, work, [worker.pipe for worker in self.workers])
        self.workers.append(worker)
        return worker

    def _replace(self, dead):
        dead.end()
        self.workers.remove(dead)
        code = dead.process.exitcode
        cause = dead.batches[0][0] if dead.reading is None else dead.reading
        self.deaths[dead.reading is None, cause] += 1
        again = self.deaths[dead.reading is None, cause] > 1
        if again and dead.reading is None:
            raise ChildProcessError(
                f"A worker process died twice over the same pictures (exit code {code}), as when there is no memory left; "
                "try a smaller --batch-size or fewer --workers."
            )
        if again:
            dead.batches[0] = [index for index in dead.batches[0] if index != cause]
            yield self.blamed(cause, code)
        replacement = self._start(self.work)
        for batch in filter(None, dead.batches):
            replacement.give(batch)


class _Worker:
    def __init__(self, context, work, others):
        self.pipe, end = context.Pipe()
        self.batches, self.reading = collections.deque(), None
        # A forked process has copies of this process's ends, and must close them: it ends when its pipe has no other end.
        inherited = [*others, self.pipe] if context.get_start_method() == "fork" else []
        self.process = context.Process(target=_serve, args=(end, inherited, work), daemon=True)
        self.process.start()
        end.close()

    def give(self, batch):
        self.batches.append(batch)
        try:
            self.pipe.send(batch)
        except OSError:
            pass  # it is dead, which is seen to when its answer is missed

    def end(self):
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _serve(end, inherited, work):
    for pipe in inherited:
        pipe.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)  # also because the threads of a forked process are not its own
    try:
        while True:
            batch = end.recv()
            try:
                answer = ("done", work(batch, lambda index: end.send(("reading", index))))
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                answer = ("raised", error)
            end.send(answer)
    except (EOFError, OSError):
        pass  # the process that started this one is gone
