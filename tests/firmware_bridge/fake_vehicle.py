"""A vehicle in Python, from PROTOCOL.md alone, with fault modes: the far end for tests of the station and the line."""

import struct
from collections import deque
from dataclasses import dataclass, field

from tests.firmware_bridge.wire_codec import framed, unframed

__all__ = ["DONE", "FakeVehicle"]

DONE, FAILED, DUPLICATE, EXPIRED = 3, 4, 5, 6
LATCHED_REASON, STALE, FORGOTTEN = 1, 5, 6
QUERY = 0x07
HEARTBEAT_US = 50_000
TIME_OUT_US = 60_000
EXPIRIES_MAX = 5


@dataclass
class FakeVehicle:
    """Does every command at once. `poll` gives one frame at a time, framed."""

    table: int
    major: int = 1
    window: int = 8
    beats: bool = True
    mute: bool = False
    busy: bool = False
    works_while_latched: bool = True
    stops_unanswered: int = 0
    opens: bool = True
    boot_count: int = 7
    last_command: int = 0
    latch: int = 1
    cause: int = 1
    stop: int = 0
    open: bool = False
    epoch: int = 0
    unread: bytes = b""
    executed: list[tuple[int, int, bytes]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    leases_ms: list[tuple[int, int]] = field(default_factory=list)
    ttls_ms: list[int] = field(default_factory=list)
    stops: list[tuple[int, int]] = field(default_factory=list)
    kept: dict[int, tuple[int, int]] = field(default_factory=dict)
    urgent: deque[bytes] = field(default_factory=deque)
    results: deque[bytes] = field(default_factory=deque)
    out: list[bytes] = field(default_factory=list)
    sent: int = 0
    acknowledged: int = 0
    again: int = 0
    received: int = 0
    rejected: bool = False
    expires_us: int = 0
    expiries: int = 0
    beat_us: int = 0
    counter: int = 0

    def receive(self, octets: bytes, now_us: int) -> None:
        """Take octets in any portions."""
        whole = self.unread + octets
        end = whole.rfind(b"\x7e") + 1
        self.unread = whole[end - 1 :] if end else whole
        for content in unframed(whole[:end]):
            self.frames.append(content)
            if not self.mute:
                self._frame(content, now_us)

    def poll(self, now_us: int) -> bytes:
        """The next frame to send now, or nothing."""
        if self.mute:
            return b""
        if self.beats and now_us >= self.beat_us:
            self.beat_us = now_us + HEARTBEAT_US
            self.counter = (self.counter + 1) & 0xFFFF
            return framed(b"\x79\x03\xe0" + struct.pack("<HHHB", self.counter, 0, self.latch, self.cause))
        self._run_timer(now_us)
        if self.urgent:
            return framed(self.urgent.popleft())
        return self._next_result(now_us) if self.open else b""

    def deadline_us(self) -> int:
        """When poll has something, if nothing comes in before."""
        if self.mute:
            return 1 << 62
        if self.urgent or (self.open and (self.again < self.sent or (self.results and self._window_open()))):
            return 0
        times = [self.beat_us] if self.beats else []
        times += [self.expires_us] if self.expires_us else []
        return min(times, default=1 << 62)

    def say(self, content: bytes) -> None:
        """Send this frame as soon as possible."""
        self.urgent.append(content)

    def status(self, *, flags: int) -> None:
        """Send a STATUS with these flags."""
        self.say(b"\x09\x03\xc0" + struct.pack("<IiihhhHHHIIII", 5, 1, -2, 3, 4, -5, 900, flags, 0, 6, 7, 8, 9))

    def identity(self) -> bytes:
        """XID information."""
        link = bytes.fromhex("06020400") + bytes((0x08, 1, self.window))
        ours = b"\x00\x03SF1" + bytes((1, 2, self.major, 0)) + b"\x02\x04" + self.table.to_bytes(4, "big")
        ours += b"\x10\x04" + struct.pack(">HH", 100, 400) + b"\x11\x08fake 1.0\x12\x04AGV7"
        ours += b"\x13\x04" + self.boot_count.to_bytes(4, "big") + b"\x14\x01\x03"
        ours += b"\x15\x04" + self.last_command.to_bytes(4, "big")
        ours += b"\x16\x03" + struct.pack(">HB", self.latch, self.cause)
        groups = ((0x80, link), (0xAB, b"\x00\x02xy"), (0xF0, b"\x00\x03EIA"), (0xF0, ours))
        return b"\x82" + b"".join(bytes((group,)) + struct.pack(">H", len(text)) + text for group, text in groups)

    def _frame(self, frame: bytes, now_us: int) -> None:
        address, control, information = frame[0], frame[1], frame[2:]
        if address == 0x03:
            self._link(control, information)
        elif address == 0x7B:
            self._safety(information, now_us)
        elif address in {0x05, 0x07} and not self.open:
            self.say(b"\x03\x1f")
        elif address == 0x07 and not control & 1:
            self._command_frame(frame)
        elif address in {0x05, 0x07}:
            self._supervisory(frame)

    def _link(self, control: int, information: bytes) -> None:
        if control == 0xBF:
            at = information.index(b"\x03\x02", 10) + 2
            self.epoch = int.from_bytes(information[at : at + 2], "big")
            self.say(b"\x03\xbf" + self.identity())
        elif control == 0x7F and self.opens:
            self.open = True
            self.sent = self.acknowledged = self.again = self.received = self.expires_us = self.expiries = 0
            self.rejected = False
            self.out.clear()
            self.results.clear()
            self.say(b"\x03\x73")
        elif control == 0x53:
            self.say(b"\x03\x73" if self.open else b"\x03\x1f")
            self.open = False
        elif control == 0xF3:
            self.say(b"\x03\xf3" + information)

    def _safety(self, information: bytes, now_us: int) -> None:
        if information[0] == 0xE0:
            self.leases_ms.append((now_us, int.from_bytes(information[3:5], "little")))
        elif information[0] == 0xE1:
            number = int.from_bytes(information[1:3], "little")
            self.stops.append((now_us, number))
            if self.cause == 0 or number != self.stop:
                self.latch, self.cause, self.stop = self.latch + 1, 2, number
            if self.stops_unanswered:
                self.stops_unanswered -= 1
                return
            self.urgent.appendleft(b"\x79\x03\xe2" + struct.pack("<HH", number, self.latch))
        elif information[0] == 0xE3:
            if int.from_bytes(information[1:3], "little") == self.latch:
                self.cause = 0
            self.say(b"\x79\x03\xe4" + struct.pack("<HB", self.latch, self.cause))

    def _take_number(self, number: int) -> bool:
        """N(R), modulo 128, against counts that are not."""
        upto = self.acknowledged + ((number - self.acknowledged) & 0x7F)
        if upto > self.sent:
            self.say(b"\x03\x0f")
            self.open = False
            return False
        if upto > self.acknowledged:
            self.expires_us, self.expiries = 0, 0
        self.acknowledged = upto
        self.again = max(self.again, upto)
        return True

    def _supervisory(self, frame: bytes) -> None:
        if not self._take_number(frame[2] >> 1):
            return
        if frame[0] == 0x07 and frame[2] & 1:
            self._answer(final=1)
        if frame[1] == 0x09:
            self.again = self.acknowledged

    def _answer(self, final: int = 0) -> None:
        self.say(bytes((0x07, 0x05 if self.busy else 0x01, (self.received & 0x7F) << 1 | final)))

    def _command_frame(self, frame: bytes) -> None:
        number = frame[1] >> 1
        if not self._take_number(frame[2] >> 1):
            return
        if number == self.received & 0x7F:
            if not self.busy:
                self.received += 1
                self.rejected = False
                self._command(frame[3:])
            self._answer()
        elif (self.received - number) & 0x7F <= 8:
            self._answer()
        elif not self.rejected:
            self.rejected = True
            self.say(bytes((0x07, 0x09, (self.received & 0x7F) << 1)))

    def _command(self, message: bytes) -> None:
        code, command, epoch, ttl_ms = struct.unpack_from("<BIHH", message)
        body = message[9:]
        self.ttls_ms.append(ttl_ms)
        if code == QUERY:
            self._query(int.from_bytes(body, "little"))
        elif command in self.kept:
            self._result(command, DUPLICATE, self.kept[command][1], self.kept[command][0])
        elif command <= self.last_command:
            self._result(command, FAILED, FORGOTTEN, 0)
        else:
            self.last_command = command
            outcome = self._do(code, command, epoch, ttl_ms, body)
            self.kept[command] = outcome
            while len(self.kept) > 64:
                del self.kept[next(iter(self.kept))]
            self._result(command, *outcome, 0)

    def _do(self, code: int, command: int, epoch: int, ttl_ms: int, body: bytes) -> tuple[int, int]:
        if epoch != self.epoch:
            return FAILED, STALE
        if ttl_ms == 0:
            return EXPIRED, 0
        if self.cause and not self.works_while_latched:
            return FAILED, LATCHED_REASON
        self.executed.append((code, command, body))
        return DONE, 0

    def _query(self, about: int) -> None:
        if about in self.kept:
            self._result(about, DUPLICATE, self.kept[about][1], self.kept[about][0])
        else:
            self._result(about, FAILED, FORGOTTEN, 0)

    def _result(self, command: int, outcome: int, reason: int, prior: int) -> None:
        self.results.append(b"\x80" + struct.pack("<IHBBB", command, self.epoch, outcome, reason, prior))

    def _window_open(self) -> bool:
        return self.sent - self.acknowledged < 8

    def _next_result(self, now_us: int) -> bytes:
        if self.again == self.sent:
            if not self.results or not self._window_open():
                return b""
            self.out = self.out[self.acknowledged - self.sent or len(self.out) :]
            self.out.append(self.results.popleft())
            self.sent += 1
        message = self.out[self.again - self.sent]
        frame = bytes((0x05, (self.again & 0x7F) << 1, (self.received & 0x7F) << 1)) + message
        self.again += 1
        self.expires_us = self.expires_us or now_us + TIME_OUT_US
        return framed(frame)

    def _run_timer(self, now_us: int) -> None:
        if not self.expires_us or now_us < self.expires_us:
            return
        self.expires_us = 0
        if not self.open or self.acknowledged == self.sent:
            return
        self.again = self.acknowledged
        self.expiries += 1
        self.expires_us = now_us + TIME_OUT_US * 2**self.expiries
        if self.expiries >= EXPIRIES_MAX:
            self.expires_us, self.expiries = 0, 0
