"""Download one file from one mirror: over as many connections as help, in place, hashed while it arrives."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from decnef_data.archive_evidence import max_size
from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.file_cache import Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Body, Progress, RemoteFile
from decnef_data.transfer.answers import AnswerCheck, StartOverError, is_identified
from decnef_data.transfer.concurrency import ConnectionScaler
from decnef_data.transfer.ranges import ByteRange, RangeScheduler
from decnef_data.transfer.retry import Patience, RetryBudget, is_overloaded, is_retryable

#: Files of at most this size are downloaded over one connection, in the calling thread.
SMALL_FILE_SIZE: Final = 4 << 20
_POLL_SECONDS: Final = 0.1
_CHECKPOINT_SECONDS: Final = 2.0  # seconds between checkpoints of unfinished parts
_DURABLE_CHECKPOINT_SECONDS: Final = 30.0  # seconds between those that survive a power cut
_HASH_BATCH_BLOCKS: Final = 16  # hashed before it is checked whether to stop
# Unhashed bytes: above the first, more connections would not help; above the second, one waits.
_HASH_BACKLOG_SIZE: Final = 4 << 20
_MAX_UNHASHED_SIZE: Final = 8 << 20
_THROTTLE_SECONDS: Final = 0.002
_SHUTDOWN_SECONDS: Final = 1.0  # seconds that a stopped connection has to notice it


def too_long_error(file: RemoteFile) -> IntegrityError:
    """Build the error of a mirror that sends more bytes than it listed."""
    about = f"{file.size}" if file.size is not None else f"about {file.approximate_size}"
    message = (
        f"The download of '{file.path}' failed verification: expected {about} bytes, received more. "
        "It was discarded; try again, or use another mirror."
    )
    return IntegrityError(message, file=file.path, expected=f"{about} bytes", found="more")


def truncated_error(mirror: str, file: RemoteFile, position: int) -> MirrorError:
    """Build the error of a response that ends early."""
    message = (
        f"'{mirror}' closed the connection at byte {position} of {file.size} of '{file.path}'. "
        "Rerun the command to resume."
    )
    return MirrorError(message, mirror=mirror)


class RangeDownload:
    """Downloads the missing bytes of `partial_file` from `remote`.

    Parameters
    ----------
    remote, file
        The mirror, and the file as the mirror lists it.
    partial_file
        Where the bytes are written.
    progress
        Where progress is reported, always by the thread that called :meth:`run`.
    answers
        Compares the answers of the mirror; it knows those that earlier bytes of `partial_file` came from.
    """

    def __init__(
        self,
        remote: Remote,
        file: RemoteFile,
        partial_file: Partial,
        progress: Progress,
        answers: AnswerCheck,
    ) -> None:
        self._remote, self._file = remote, file
        self._answers, self._patience = answers, Patience()
        self._max_size = max_size(file.approximate_size) if file.size is None else file.size
        self._partial, self._progress = partial_file, progress
        self._ranges = RangeScheduler(partial_file.parts)
        self._scaler = ConnectionScaler(time.monotonic())
        self._bytes_arrived = threading.Condition()  # the hashing thread waits for it
        self._thread_ended = threading.Event()  # the coordinating thread waits for it
        self._stopped = threading.Event()
        # One lock per connection: only the shutdown waits for them, until writes have finished.
        self._write_locks: dict[int, threading.Lock] = {}
        self._received_by_connection: dict[int, int] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._failures: list[BaseException] = []
        self._ranges_unsupported = False
        self._reported = 0
        partial_file.hasher.on_invalid_part = self._ranges.invalidate
        # What has no size has no ranges, and what is not identified must come in one answer.
        if file.size is None or not is_identified(file):
            self._scaler.use_single_connection()

    def use_single_connection(self) -> None:
        """Use one connection, because the answers of several do not fit together."""
        self._scaler.use_single_connection()

    @property
    def received_size(self) -> int:
        """The number of bytes received."""
        return sum(self._received_by_connection.values())

    def run(self) -> None:
        """Download until the file is complete; after any error, the bytes received so far stay.

        Raises
        ------
        AccessError, MirrorError
            The mirror does not provide the rest.
        FileChangedError
            The mirror has another file now.
        StartOverError
            What the mirror sends now may not be of the same file as what was received.
        IntegrityError
            The mirror sends more than it listed.
        OSError
            The disk is full or fails.
        """
        size = self._file.size
        if (
            size is not None
            and size - self._partial.received <= SMALL_FILE_SIZE
            # Parts of an earlier process are checked, and downloaded again, by the thread that hashes.
            and not self._partial.hasher.unverified_parts
        ):
            try:
                return self._download_ranges(0)
            finally:
                self._report_progress()
        self._start_thread(self._hash_received, -1)
        try:
            self._coordinate()
        finally:
            self._shut_down()

    def _coordinate(self) -> None:
        started = time.monotonic()
        checkpointed, made_durable = started, started
        while not self._is_complete():
            self._start_connections()
            self._thread_ended.wait(_POLL_SECONDS)
            self._thread_ended.clear()
            self._report_progress()
            now = time.monotonic()
            if now - checkpointed >= _CHECKPOINT_SECONDS:
                self._partial.checkpoint(durable=now - made_durable >= _DURABLE_CHECKPOINT_SECONDS)
                made_durable = now if now - made_durable >= _DURABLE_CHECKPOINT_SECONDS else made_durable
                checkpointed = now

    def _is_complete(self) -> bool:
        if self._failures:
            raise self._failures[0]
        parts = self._partial.parts
        return parts.is_complete and self._partial.hasher.position >= parts.size

    def _start_connections(self) -> None:
        """Start connections up to the target number, as long as there is work for them."""
        previous = self._scaler.target
        # With fewer connections than wanted, the rate would say nothing about the target.
        if self._ranges.active_count >= previous or previous == 1:
            target = self._scaler.update(
                time.monotonic(),
                self.received_size,
                hashing_behind=self._is_hashing_behind(_HASH_BACKLOG_SIZE),
            )
            # The first connection had everything: the others need ranges of their own.
            if target > previous == 1:
                self._ranges.shrink(
                    max(self._scaler.request_size(self._remaining_size), self._partial.parts.step)
                )
        for number in range(self._scaler.target):
            is_working = number in self._threads and self._threads[number].is_alive()
            if not is_working and self._ranges.has_work(self._min_split_size):
                self._start_thread(partial(self._download_ranges, number), number)

    def _is_hashing_behind(self, backlog: int) -> bool:
        """Whether the hashing, not the network, limits the download."""
        hashed = self._partial.hasher.position
        return -1 in self._threads and self._partial.parts.contiguous_end(hashed) - hashed > backlog

    @property
    def _min_split_size(self) -> int:
        """How long the rest of an active range must be for another connection to take half of it."""
        # Where ranges are ignored, none is split: no rest is as long as the file.
        return (
            self._partial.parts.size
            if self._ranges_unsupported
            else self._scaler.request_size(self._remaining_size) // 4
        )

    @property
    def _remaining_size(self) -> int:
        return self._partial.parts.size - self._partial.received

    def _start_thread(self, function: Callable[[], None], number: int) -> None:
        def run_guarded() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that called run
                self._failures.append(error)
            self._thread_ended.set()

        # A daemon: a connection that hangs must not keep the interpreter from ending after Ctrl-C.
        thread = threading.Thread(
            target=run_guarded, name=f"decnef-{self._remote.name}-{number}", daemon=True
        )
        self._threads[number] = thread
        thread.start()

    def _download_ranges(self, number: int) -> None:
        """Download range after range, until there is none, or the target number of connections falls."""
        self._write_locks.setdefault(number, threading.Lock())
        self._received_by_connection.setdefault(number, 0)
        retry_budget = RetryBudget(self._patience)
        while number < self._scaler.target and not self._stopped.is_set():
            byte_range = self._acquire_range()
            if byte_range is None:
                return
            previous_count = self._received_by_connection[number]
            try:
                self._download_range(byte_range, number)
            except MirrorError as error:
                # Released before waiting: another connection may have more luck with it.
                self._ranges.release(byte_range)
                if self._received_by_connection[number] > previous_count:
                    retry_budget.record_progress()
                if not self._wait_before_retry(error, retry_budget, answered=byte_range.answered):
                    return
            else:
                if self._received_by_connection[number] > previous_count:
                    retry_budget.record_progress()
            finally:
                self._ranges.release(byte_range)

    def _acquire_range(self) -> ByteRange | None:
        if self._scaler.target == 1:
            return self._ranges.acquire(None)
        max_size = max(self._scaler.request_size(self._remaining_size), self._partial.parts.step)
        return self._ranges.acquire(max_size, min_split_size=self._min_split_size)

    def _wait_before_retry(self, error: MirrorError, retry_budget: RetryBudget, *, answered: bool) -> bool:
        """Wait and return True if that may help; return False if other connections continue; else raise."""
        if is_overloaded(error):
            self._scaler.back_off()
        delay = retry_budget.next_delay(error, answered=answered)
        if delay is not None:
            self._stopped.wait(delay)  # not a sleep, so that a shutdown ends it
            return True
        # The other connections continue, so this one was too many.
        if is_retryable(error) and self._ranges.active_count:
            self._scaler.back_off()
            return False
        raise error

    def _download_range(self, byte_range: ByteRange, number: int) -> None:
        is_last = byte_range.stop >= self._partial.parts.size
        # Requested without an end: what others split off and do not take is received without a request.
        byte_range.open_ended = is_last
        requested_at = time.monotonic()
        with self._remote.open(self._file, byte_range.position, None if is_last else byte_range.stop) as body:
            byte_range.answered = True
            self._answers.require_same_file(body)
            if body.start != byte_range.position:
                self._handle_unexpected_start(body, byte_range, number)
                return
            for chunk in body.chunks:
                if requested_at:
                    self._scaler.record_latency(time.monotonic() - requested_at)
                    requested_at = 0.0
                if not self._write_chunk(byte_range, chunk, number):
                    return
        self._finish_range(byte_range)

    def _finish_range(self, byte_range: ByteRange) -> None:
        if self._file.size is None:
            self._partial.set_final_size()
        elif byte_range.position < byte_range.stop:
            raise truncated_error(self._remote.name, self._file, byte_range.position)

    def _write_chunk(self, byte_range: ByteRange, chunk: bytes, number: int) -> bool:
        """Write the claimed bytes of a chunk; return whether the connection has more to send."""
        with self._write_locks[number]:
            while chunk:
                offset = byte_range.position
                count = self._ranges.claim(byte_range, len(chunk))
                if not count:
                    if self._is_too_long(byte_range.position) and not self._stopped.is_set():
                        raise too_long_error(self._file)
                    return False
                self._partial.write(offset, chunk[:count])
                self._received_by_connection[number] += count
                chunk = chunk[count:]
                if self._file.size is None and self._is_too_long(byte_range.position):
                    raise too_long_error(self._file)
        with self._bytes_arrived:
            self._bytes_arrived.notify()
        while (
            self._scaler.target == 1
            and self._is_hashing_behind(_MAX_UNHASHED_SIZE)
            and not self._stopped.is_set()
        ):
            time.sleep(_THROTTLE_SECONDS)  # bytes that are hashed at once need not be read back from disk
        return True

    def _is_too_long(self, position: int) -> bool:
        return self._max_size is not None and position >= self._max_size

    def _handle_unexpected_start(self, body: Body, byte_range: ByteRange, number: int) -> None:
        """Handle a response from the first byte, of a mirror that ignores ranges or cannot continue."""
        self._ranges_unsupported = True
        self._scaler.use_single_connection()
        if self._ranges.active_count > 1:  # another connection may already download from the first byte
            self._stopped.wait(_POLL_SECONDS)
        elif self._partial.received and not is_identified(self._file):
            raise StartOverError
        else:
            self._download_entire_file(body, byte_range, number)

    def _download_entire_file(self, body: Body, byte_range: ByteRange, number: int) -> None:
        """Receive the complete file, and write the bytes that are missing."""
        offset = body.start
        try:
            for chunk in body.chunks:
                with self._write_locks[number]:
                    if self._stopped.is_set():
                        return
                    self._write_missing(offset, chunk, number)
                offset += len(chunk)
                if self._max_size is not None and offset > self._max_size:
                    raise too_long_error(self._file)
        finally:
            # What was written is known by the parts alone: this answer did not follow the range.
            self._ranges.reset(byte_range)
        if self._file.size is None:
            self._partial.set_final_size()
        elif offset < self._file.size:
            raise truncated_error(self._remote.name, self._file, offset)

    def _write_missing(self, offset: int, chunk: bytes, number: int) -> None:
        # A copy: writing changes the gaps.
        for start, stop in list(self._partial.parts.gaps(offset, offset + len(chunk))):
            self._partial.write(start, chunk[start - offset : stop - offset])
            self._received_by_connection[number] += stop - start

    def _hash_received(self) -> None:
        hasher, parts = self._partial.hasher, self._partial.parts
        while not self._stopped.is_set() and hasher.position < parts.size:
            if not hasher.hash_available(_HASH_BATCH_BLOCKS):
                with self._bytes_arrived:
                    self._bytes_arrived.wait(_POLL_SECONDS)

    def _report_progress(self) -> None:
        received = self.received_size
        self._progress.set_source(self._remote.name, max(self._ranges.active_count, 1))
        self._progress.advance(received - self._reported)
        self._reported = received

    def _shut_down(self) -> None:
        """Stop all writing; a connection that is blocked in a read is left to its timeout."""
        self._stopped.set()
        self._ranges.close()
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        for number, thread in self._threads.items():
            # The hashing thread is waited for: it reads the file that is closed next.
            thread.join(None if number < 0 else max(deadline - time.monotonic(), 0.0))
        for write_lock in self._write_locks.values():
            with write_lock:  # waits for a write in progress; later claims are refused
                pass
        self._report_progress()
