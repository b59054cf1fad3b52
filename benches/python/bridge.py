"""The straightforward bridge that `cargo xtask compare-bot` measures ours against: asyncio, websockets, soxr.

As one would write it, with the known mistakes left out: a clock of absolute deadlines, header and payload in one
write, silence when the bot is quiet, resamplers that keep their state, audio dropped at an interruption. The frames
are read and written by pipecat's own protobuf classes.

    bridge.py PORT URL      dials URL/UUID for each call
"""

import asyncio
import socket
import struct
import sys
import time
import uuid

import numpy as np
import soxr
import websockets

from pipecat.frames.protobufs.frames_pb2 import Frame

PERIOD = 0.02
FRAME = 320
TARGET = 4 * FRAME
SILENCE = bytes(FRAME)


class Call:
    def __init__(self, reader, writer, bot):
        self.reader, self.writer, self.bot = reader, writer, bot
        # Of soxr's qualities the one without delay: better ones give sound out in bursts of 60 to 100 ms.
        self.up = soxr.ResampleStream(8000, 16000, 1, dtype="int16", quality="QQ")
        self.down = soxr.ResampleStream(16000, 8000, 1, dtype="int16", quality="QQ")
        self.queue = bytearray()
        self.playing = False

    async def hear_caller(self):
        while True:
            kind, length = struct.unpack(">BH", await self.reader.readexactly(3))
            payload = await self.reader.readexactly(length)
            if kind == 0:
                return
            if kind != 0x10:
                continue
            samples = self.up.resample_chunk(np.frombuffer(payload, dtype="<i2"))
            if len(samples):
                frame = Frame()
                frame.audio.audio = samples.tobytes()
                frame.audio.sample_rate = 16000
                frame.audio.num_channels = 1
                await self.bot.send(frame.SerializeToString())

    async def hear_bot(self):
        async for message in self.bot:
            frame = Frame.FromString(message)
            which = frame.WhichOneof("frame")
            if which == "audio":
                samples = np.frombuffer(frame.audio.audio, dtype="<i2")
                self.queue += self.down.resample_chunk(samples).tobytes()
            elif which == "interruption":
                self.queue.clear()
                self.playing = False

    async def play(self):
        begin = time.monotonic()
        n = 0
        while True:
            if not self.playing and len(self.queue) >= TARGET:
                self.playing = True
            payload = SILENCE
            if self.playing:
                payload = bytes(self.queue[:FRAME]).ljust(FRAME, b"\0")
                del self.queue[:FRAME]
                self.playing = bool(self.queue)
            self.writer.write(b"\x10\x01\x40" + payload)
            n += 1
            await asyncio.sleep(begin + n * PERIOD - time.monotonic())

    async def run(self):
        tasks = [asyncio.create_task(t) for t in (self.hear_caller(), self.hear_bot(), self.play())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def handle(url, reader, writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        kind, length = struct.unpack(">BH", await reader.readexactly(3))
        name = uuid.UUID(bytes=await reader.readexactly(length))
        async with websockets.connect(f"{url}/{name}", compression=None) as bot:
            await Call(reader, writer, bot).run()
    except (asyncio.IncompleteReadError, OSError, websockets.WebSocketException):
        pass
    finally:
        writer.close()


async def main(port, url):
    server = await asyncio.start_server(
        lambda reader, writer: handle(url, reader, writer), "127.0.0.1", int(port), backlog=1024
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
