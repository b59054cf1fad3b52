"""Bots made of pipecat-ai's own parts: its WebSocket transports, its protobuf serializer, its RTVI.

    bot.py serve PORT [CERTIFICATE KEY]   a server of /echo/UUID, /tone/UUID, /talk/UUID, /tools/UUID
    bot.py single PORT                    Pipecat's own server, which takes one client: /tone
    bot.py dial URL                       dials, and echoes

Prints a JSON object per event, with the wall clock in `at`.
"""

import asyncio
import json
import sys
import time

import numpy as np
from loguru import logger

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    ClientConnectedFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIObserverParams
from pipecat.processors.frameworks.rtvi.observer import RTVIFunctionCallReportLevel
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

RATE_IN = 16000
# Pipecat's default, and not the caller's: the bridge has to resample.
RATE_OUT = 24000


def tell(event, **about):
    print(json.dumps({"event": event, "at": time.time(), **about}), flush=True)


def tone(hertz, seconds):
    at = np.arange(int(RATE_OUT * seconds)) / RATE_OUT
    samples = (np.sin(2 * np.pi * hertz * at) * 10000).astype("<i2")
    return OutputAudioRawFrame(audio=samples.tobytes(), sample_rate=RATE_OUT, num_channels=1)


class Serializer(ProtobufFrameSerializer):
    """Pipecat's, which tells when an interruption leaves."""

    async def serialize(self, frame):
        if isinstance(frame, InterruptionFrame):
            tell("interruption")
        return await super().serialize(frame)


class Energy(VADAnalyzer):
    """Loud is speech: tests speak in tones, which Silero does not take for speech."""

    def __init__(self):
        super().__init__(params=VADParams(start_secs=0.1, stop_secs=0.2, min_volume=0.0))

    def num_frames_required(self):
        return self.sample_rate // 50

    def voice_confidence(self, buffer):
        samples = np.frombuffer(buffer, dtype="<i2").astype(float)
        return 1.0 if np.sqrt(np.mean(samples**2)) > 500 else 0.0


class Bot(FrameProcessor):
    """What all do: pass frames on, and `hear` them."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.hear(frame)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)


class Echo(Bot):
    async def hear(self, frame):
        if isinstance(frame, InputAudioRawFrame):
            assert (frame.sample_rate, frame.num_channels) == (RATE_IN, 1), frame
            await self.push_frame(OutputAudioRawFrame(frame.audio, frame.sample_rate, 1))


class Tone(Bot):
    async def hear(self, frame):
        if isinstance(frame, ClientConnectedFrame):
            await self.push_frame(tone(700, 20))


class Talk(Bot):
    """Talks until it is interrupted, and answers in another tone."""

    async def hear(self, frame):
        if isinstance(frame, ClientConnectedFrame):
            await self.push_frame(tone(700, 60))
        elif isinstance(frame, UserStoppedSpeakingFrame):
            tell("answer")
            await self.push_frame(tone(1100, 2))


class Tools(LLMService):
    """A model that calls a function for each key pressed, and says the result as a tone."""

    FUNCTIONS = {"1": ("transfer_call", {"to": "100"}), "0": ("end_call", {})}

    def __init__(self):
        super().__init__()
        self.register_function(None, self.wait_for_client)

    async def wait_for_client(self, params):
        """The client answers, not we."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame):
            key = frame.button.value
            tell("dtmf", key=key)
            name, arguments = self.FUNCTIONS.get(key, (None, None))
            if name:
                call = FunctionCallFromLLM(name, f"call-{key}", arguments, LLMContext())
                await self.run_function_calls([call])
            else:
                await self.push_frame(tone(500 + 100 * int(key), 1))
        elif isinstance(frame, FunctionCallResultFrame):
            tell("result", name=frame.function_name, result=frame.result)
            result = frame.result or {}
            await self.push_frame(tone(result.get("tone", 400), 1))
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)


def processors(kind):
    if kind == "talk":
        turns = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.2, wait_for_transcript=False)],
        )
        return [VADProcessor(vad_analyzer=Energy()), UserTurnProcessor(user_turn_strategies=turns), Talk()]
    return [{"echo": Echo, "tone": Tone, "tools": Tools}[kind]()]


def settings(**more):
    return dict(
        serializer=Serializer(), audio_in_enabled=True, audio_out_enabled=True, **more
    )


async def run(transport, kind, uuid):
    """One call."""
    worker = PipelineWorker(
        Pipeline([transport.input(), *processors(kind), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE_IN, audio_out_sample_rate=RATE_OUT),
        rtvi_observer_params=RTVIObserverParams(
            function_call_report_level={"*": RTVIFunctionCallReportLevel.FULL}
        ),
    )

    @worker.rtvi.event_handler("on_client_message")
    async def on_client_message(rtvi, message):
        tell("message", uuid=uuid, type=message.type, data=message.data)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        tell("disconnected", uuid=uuid)
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    tell("end", uuid=uuid)


async def serve(port, certificate=None, key=None):
    import uvicorn
    from fastapi import FastAPI, Request, WebSocket
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

    app = FastAPI()

    @app.websocket("/{kind}/{uuid}")
    async def call(socket: WebSocket, kind: str, uuid: str):
        await socket.accept()
        tell("connected", uuid=uuid, kind=kind)
        # The `tone` bot as some are set up: every chunk with a WAV header.
        params = FastAPIWebsocketParams(**settings(add_wav_header=kind == "tone"))
        await run(FastAPIWebsocketTransport(websocket=socket, params=params), kind, uuid)

    @app.post("/functions")
    async def functions(request: Request):
        tell("function", **await request.json())
        return {"status": "ok", "tone": 1300}

    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", ssl_certfile=certificate, ssl_keyfile=key
    )
    server = uvicorn.Server(config)
    listening = asyncio.create_task(server.serve())
    while not server.started:
        if listening.done():
            sys.exit("not listening")
        await asyncio.sleep(0.01)
    tell("ready", port=server.servers[0].sockets[0].getsockname()[1])
    await listening


async def single(port):
    from pipecat.transports.websocket.server import (
        SingleClientWebsocketServerParams,
        SingleClientWebsocketServerTransport,
    )

    params = SingleClientWebsocketServerParams(**settings())
    transport = SingleClientWebsocketServerTransport(params, host="127.0.0.1", port=port)

    @transport.event_handler("on_websocket_ready")
    async def on_websocket_ready(transport):
        tell("ready", port=port)

    await run(transport, "tone", None)


async def dial(url):
    from pipecat.transports.websocket.client import WebsocketClientParams, WebsocketClientTransport

    await run(WebsocketClientTransport(url, params=WebsocketClientParams(**settings())), "echo", None)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    command, first, *rest = sys.argv[1:]
    commands = {"serve": serve, "single": single, "dial": dial}
    asyncio.run(commands[command](first if command == "dial" else int(first), *rest))
