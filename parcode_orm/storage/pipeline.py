"""From encoded chunks to bytes in a file: a pool finishes chunks, one thread writes them in the order of submission.

The bytes depend on the order of submission alone: they are the same with any number of workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from ..errors import StorageError
from ..format import compression as compressions
from ..format.blob import BlobEncoder
from ..format.checksum import checksum
from ..format.encoder import Buffer, Encoder, Ticket, references_of
from ..format.layout import CHUNK_ALIGN, Kind, Reference
from .behind import Behind, immutable
from .output import DIRECT, Output
from .parallel import MAX_WORKERS, check_workers, cpus
from .stats import Stats

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

INFLIGHT = 32 << 20
BEHIND = 1 << 20  # bytes from which on a thread writes them, where none finishes chunks
LEADING = 16  # chunks whose references are remembered

Finished = tuple[bytes, list[Buffer]]


class Aborted(StorageError):
    """The owner of the pipeline stopped it."""


class _Job(NamedTuple):
    chunk: Encoder
    ticket: Ticket
    finished: Future[Finished | None]
    size: int


class Pipeline:
    """Writes chunks through `write`, beginning at byte `start_offset` of the file.

    Args:
        write: writes all bytes it gets; one thread at a time calls it.
        start_offset: the place of the first byte in the file.
        workers: threads that finish chunks, beside one that writes. 0: no thread at all. None: no thread
            until a chunk is compressed, then one a CPU up to 4; without compression only one that writes,
            once there is more than `BEHIND`.
        compression: for chunks and blobs that name none; an encoder names that of its chunk.
        inflight_bytes: bytes, before compression, that wait at most; then `submit` blocks. One
            chunk may be larger.
        stats: counts chunks and bytes.
        hashed: keep a checksum of everything written, for `output.digest()`.

    An exception in any stage stops all stages. The next `submit` and `close` raise it. The buffers of a
    submitted chunk must not change any more. One thread uses a pipeline.
    """

    def __init__(
        self,
        write: Callable[[Buffer], None],
        start_offset: int = 0,
        workers: int | None = None,
        compression: str | None = None,
        inflight_bytes: int = INFLIGHT,
        *,
        stats: Stats | None = None,
        hashed: bool = False,
    ) -> None:
        if workers is not None:
            check_workers(workers)
        if compression is not None:
            compressions.check(compression)
        self.output = Output(write, start_offset, hashed=hashed)
        self.compression = compression
        self.stats = stats or Stats()
        self.referred: set[int] = set()  # offsets of older chunks in the file to which new ones refer
        self.below: dict[int, list[Reference]] = {}  # the references of the first chunks, by offset
        self._start_offset = start_offset
        self._workers = workers
        self._limit = inflight_bytes
        self._inflight = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._writer: threading.Thread | None = None
        self._behind: Behind | None = None
        self._closed = False

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        """A new chunk; without `compression`, the pipeline's."""
        return Encoder(kind, self.compression if compression is None else compression, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        """Write a chunk after all chunks submitted before it. Blocks while too many bytes wait.

        Returns a ticket, which gets the reference when the chunk is written. Raises the error that
        stopped the pipeline, such as a `StorageError`.
        """
        if self._closed:
            raise ValueError("this pipeline is closed")
        if self._pool is None and (self._workers or chunk.compression) and chunk.kind != Kind.SCHEMA:
            if self._wants_threads(chunk.compression):
                self._raise()
                self._start()
        ticket = Ticket()
        if self._pool is None:
            if self._error is not None:
                raise self._error
            try:
                self._place(chunk, ticket, None)
                if self._behind is None and self.output.position - self._start_offset > BEHIND:
                    self._write_behind()
            except BaseException as problem:
                self._error = problem
                raise
            return ticket
        size = chunk.size
        with self._changed:
            while self._error is None and self._inflight and self._inflight + size > self._limit:
                self._changed.wait()
            self._raise()
            self._inflight += size
        try:
            self._jobs.put(_Job(chunk, ticket, self._pool.submit(self._finish, chunk), size))
        except BaseException as problem:  # no thread can be started, so none would take these bytes off the count
            with self._changed:
                self._error = self._error or problem
            raise
        return ticket

    def blob(self, data: Buffer, compression: str | None = None, meta: bytes = b"") -> Ticket:
        """Write one value as an extent of its own; `data` may change again once this returns."""
        name = self.compression if compression is None else compression
        threads = self._pool is not None or self._wants_threads(name)
        if (threads or memoryview(data).nbytes < DIRECT) and not immutable(data):
            data = bytes(data)
        return self.submit(BlobEncoder(data, name, meta))

    def end(self) -> None:
        """Wait until all chunks have gone to `output`, and end the threads. Raises the error that stopped the
        pipeline.
        """
        self._closed = True
        if self._pool is not None:
            self._join()
        if self._error is not None:
            raise self._error
        if self._behind is not None:
            try:
                self._behind.end()
            except BaseException as problem:
                self._error = problem
                raise
            self.output.write, self._behind = self._behind.write, None

    def close(self) -> None:
        """`end`, and write what waits in `output`."""
        self.end()
        try:
            self.output.flush()
        except BaseException as problem:
            self._error = problem
            raise

    def abort(self) -> None:
        """Drop the unwritten chunks and end the threads. Raises nothing, and does nothing after `close`."""
        with self._changed:
            self._error = self._error or Aborted(0, "writing was stopped")
            self._changed.notify_all()
        self._join()
        if self._behind is not None:
            self._behind.abort()

    def _write_behind(self) -> None:
        if self._workers is None and cpus() > 1:
            self._behind = Behind(self.output.write)
            self.output.write = self._behind

    def _wants_threads(self, name: str | None) -> bool:
        if self._workers is None:
            return name not in (None, "none") and cpus() > 1
        return self._workers > 0

    def _start(self) -> None:
        workers = min(MAX_WORKERS, cpus()) if self._workers is None else self._workers
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(workers, thread_name_prefix="parcode-worker")  # no thread of it runs yet
        writer = threading.Thread(target=self._run, name="parcode-writer", daemon=True)
        try:
            writer.start()
        except BaseException as problem:
            self._error = problem
            self._jobs.put(None)  # the thread may run: an interrupt may have come while waiting for it
            raise
        self._pool, self._writer = pool, writer

    def _join(self) -> None:
        self._closed = True
        if self._pool is not None and self._writer is not None:
            try:
                self._jobs.put(None)
                self._writer.join()
            finally:
                self._pool.shutdown()
            self._writer = None

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _finish(self, chunk: Encoder) -> Finished | None:
        return chunk.finish() if self._error is None else None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            problem: BaseException | None = None
            try:
                finished = job.finished.result()
                if finished is not None and self._error is None:
                    self._place(job.chunk, job.ticket, finished)
            except BaseException as raised:
                problem = raised
            with self._changed:
                self._error = self._error or problem
                self._inflight -= job.size
                self._changed.notify_all()

    def _place(self, chunk: Encoder, ticket: Ticket, finished: Finished | None) -> None:
        references = references_of(chunk.refs, Ticket, self._start_offset, self.referred)
        if references is None:
            raise ValueError("a chunk refers to one that was not submitted before it")
        output = self.output
        start = output.position
        small = chunk.at_once(references, DIRECT) if finished is None and type(chunk) is Encoder else None
        if small is not None:
            data, head = small
            offset = output.put(data, align=CHUNK_ALIGN)
        else:
            parts = chunk.whole(references) if finished is None else [chunk.head(*finished, references), *finished[1]]
            offset, head = output.put(*parts, align=CHUNK_ALIGN), checksum(parts[0])
        ticket.reference = Reference(offset, output.position - offset, head, int(chunk.kind))
        if len(self.below) < LEADING:
            self.below[offset] = references
        self.stats.chunks_written += 1
        self.stats.bytes_written += output.position - start
