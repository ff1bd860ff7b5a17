"""Why a stream did not open, as the server itself tells it."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.rtsp_address import parse_rtsp_address
from hyperflow_runtime.cameras.rtsp_asking import why_not
from hyperflow_runtime.errors import CameraError

pytest.importorskip("cv2")


class Answering:
    """A server for one connection: it notes what it is asked, and answers with what a test gave it."""

    def __init__(self) -> None:
        self.answer: bytes | None = b""
        self.asked = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        with connection:
            self.asked = connection.recv(4096)
            if self.answer is None:
                self.done.wait(20)
            else:
                connection.sendall(self.answer)

    def close(self) -> None:
        self.done.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Answering]:
    answering = Answering()
    yield answering
    answering.close()


@pytest.mark.parametrize(
    ("answer", "credentials", "message"),
    [
        (b"RTSP/1.0 401 Unauthorized\r\n\r\n", "", "asks for a user and a password"),
        (b"RTSP/1.0 401 Unauthorized\r\n\r\n", "me:geheim@", "refuses this user and password"),
        (b"RTSP/1.0 404 Not Found\r\n\r\n", "", "has no such path"),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n", "", "answers with RTSP status 453"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "", "offers the stream, but no picture came in time"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "", "does not speak RTSP"),
        (b"\xff\xfe\0", "", "does not speak RTSP"),
        (b"", "", "closes the connection without an answer"),
        (None, "", "does not answer"),
    ],
)
def test_the_answer_of_the_server_tells_why(
    server: Answering, answer: bytes | None, credentials: str, message: str
) -> None:
    server.answer = answer
    address = parse_rtsp_address(f"rtsp://{credentials}127.0.0.1:{server.port}/x?y=1")
    why = why_not(address, timeout_s=0.3 if answer is None else 20)

    assert message in why
    assert server.asked.startswith(b"DESCRIBE rtsp://127.0.0.1:")
    assert b"geheim" not in server.asked


def test_a_server_that_is_not_there_is_told_by_what_is_missing(server: Answering) -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()

    assert "refuses connections" in why_not(parse_rtsp_address(f"rtsp://127.0.0.1:{port}/x"), timeout_s=2)
    assert "no machine is known by the name" in why_not(parse_rtsp_address("rtsp://no.invalid/x"), timeout_s=2)
    secure = parse_rtsp_address(f"rtsps://127.0.0.1:{server.port}/x")
    assert "answers, but no stream came" in why_not(secure, timeout_s=2)


SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:s\r\n"
)
AGREES = {
    b"OPTIONS": b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
    b"DESCRIBE": b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(SDP), SDP),
    b"SETUP": b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
}


class Mute(socketserver.StreamRequestHandler):
    """Agrees to everything, and sends no pictures, as a camera does that is just starting."""

    def handle(self) -> None:
        request: list[bytes] = []
        for line in self.rfile:
            request.append(line)
            if line == b"\r\n":
                number = next(header for header in request if header.lower().startswith(b"cseq"))
                answer = AGREES.get(request[0].split()[0], b"Session: 1\r\n\r\n")
                self.wfile.write(b"RTSP/1.0 200 OK\r\n" + number + answer)
                request.clear()


@pytest.mark.skipif(not has_support("FFMPEG"), reason="this OpenCV is built without FFmpeg")
def test_a_server_that_agrees_to_everything_and_sends_nothing_is_given_up() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mute) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(CameraError, match="offers the stream, but no picture came in time; give it more"):
            open_camera(f"rtsp://127.0.0.1:{server.server_address[1]}/x", CameraOptions(timeout_s=5))
        server.shutdown()


@pytest.mark.parametrize("host", ["cam..local", "x" * 64 + ".local"])
def test_a_name_that_no_machine_can_have_is_said(host: str) -> None:
    address = parse_rtsp_address(f"rtsp://{host}/x")

    assert why_not(address, timeout_s=1) == f"no machine is known by the name {host}; say its number instead"
